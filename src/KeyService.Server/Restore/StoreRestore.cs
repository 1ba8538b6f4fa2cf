using System.Globalization;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Hsm;
using KeyService.Hsm.Restore;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.Server.Restore;

/// <summary>What stands after a restore.</summary>
internal sealed record RestoredInstallation(Restoration Restoration, ProvenKeys Keys);

/// <summary>
/// Makes an installation of bundles, a backup key, a token and an empty store. Killed anywhere it goes on when it is run again with the same bundles; the
/// installation exists when the last step is durable, and no server starts before.
/// </summary>
/// <param name="store">Opened to be created.</param>
/// <param name="token">Of this installation from now on.</param>
/// <param name="backupKey">The caller's.</param>
/// <param name="chain">Verified.</param>
internal sealed class StoreRestore(IStore store, HsmToken token, SecretBuffer backupKey, BundleChain chain)
{
    private const string Role = "restore";
    private const int DetailLength = 3800;

    /// <summary>Refuses what must not be begun, before anything is changed on the token or in the store.</summary>
    /// <exception cref="AlreadyRestoredException">It has ended.</exception>
    /// <exception cref="StartUpException">The store holds something else, the token another backup key, or the backup key is not the bundles'.</exception>
    public static async Task<Restoration?> LookAsync(IStore store, BundleChain chain, CancellationToken cancellationToken)
    {
        var begun = await Restoration.PeekAsync(store, cancellationToken);
        if (await Installation.ReadAsync(store, cancellationToken) is { } standing)
        {
            throw begun is { FinishTime: not null } && begun.IsOf(chain)
                ? new AlreadyRestoredException(begun)
                : new StartUpException(ExitCode.InUse, $"The store holds an installation of {standing.CreateTime:u} already; nothing was changed. Name an empty store.");
        }

        if (begun is not null)
        {
            return begun.IsOf(chain) ? begun : throw new StartUpException(ExitCode.InUse,
                $"A restore of other bundles was begun in this store on {begun.BeginTime:u} (the newest is number {begun.LastSequence}, digest "
                + $"{Convert.ToHexStringLower(begun.LastDigest)}); nothing was changed. Give just those again, in order, or name an empty store.");
        }

        var keys = await store.ReadAsync(KeyTables.SumKeysAsync, cancellationToken);
        return keys.Count == 0 ? null : throw new StartUpException(ExitCode.InUse, "The store holds keys and no installation; nothing was changed. Name an empty store.");
    }

    /// <summary>Restores, or goes on.</summary>
    /// <param name="begun">What <see cref="LookAsync"/> found.</param>
    /// <param name="stage">Told what follows.</param>
    public async Task<RestoredInstallation> RunAsync(
        Restoration? begun, FirstAdministrator administrator, Action<string> stage, IProgress<RestoreProgress> progress, CancellationToken cancellationToken)
    {
        var restore = new BundleRestore(token, backupKey, chain);
        DemandToken(begun);
        await using var role = await store.TryTakeRoleAsync(Role, cancellationToken)
            ?? throw new StartUpException(ExitCode.InUse, "Another restore writes into the same store. Let it end, or end it.");
        if (token.BackupKeyId is null || !token.HasHierarchy)
        {
            stage($"making the root key on token {token.Info.TokenLabel} ({token.TokenId}), and importing the backup key, wrap-only");
            await token.InitializeHierarchyAsync(backupKeyFile: null, cancellationToken);
            if (token.BackupKeyId is null)
            {
                await token.ImportBackupKeyAsync(backupKey, cancellationToken);
            }
        }

        var integrity = await restore.RestoreIntegrityKeyAsync(keepLoaded: true, cancellationToken);
        var rows = new RowAuthenticator(token.MacAsync);
        var restoration = begun is null
            ? await BeginAsync(rows)
            : (await store.ReadAsync(connection => Restoration.ReadAsync(connection, null, rows, cancellationToken), cancellationToken))!;
        stage(begun is null
            ? $"restoring {chain.VersionCount} versions"
            : $"going on with the restore that was begun on {begun.BeginTime:u}: {begun.VersionCount + begun.RepeatedCount} of {chain.VersionCount} versions stand");
        var keys = new RestoredKeys(store, rows, token.TokenId, chain.BackupKeyId);
        await restore.RunAsync(
            async (batch, _) => restoration = await keys.StoreAsync(restoration, batch, chain.Bundles[batch.End.Bundle].Header.Sequence),
            restoration.Place, progress, cancellationToken);
        DemandAll(restoration);

        stage("reading everything back and opening it");
        var proven = await new RestoreProof(store, rows, token, keys).RunAsync(restoration, chain.BackupKeyId, progress, cancellationToken);
        restoration = await FinishAsync(restoration, rows, integrity, proven, administrator);
        return new RestoredInstallation(restoration, proven);
    }

    private void DemandToken(Restoration? begun)
    {
        if (begun is not null && begun.TokenId != token.TokenId)
        {
            throw new StartUpException(ExitCode.Configuration,
                $"The restore in this store was begun on token {begun.TokenId}; the configuration names {token.Info.TokenLabel} ({token.TokenId}). "
                + "Correct hsm.tokenLabel, or name an empty store.");
        }

        if (token.BackupKeyId is { } present && present != chain.BackupKeyId)
        {
            throw new StartUpException(ExitCode.Configuration,
                $"The token {token.Info.TokenLabel} ({token.TokenId}) holds the backup key {present}, and the bundles are under {chain.BackupKeyId}; "
                + "nothing was imported. Initialise a fresh token and name that.");
        }
    }

    private async Task<Restoration> BeginAsync(RowAuthenticator rows)
    {
        Restoration? restoration = null;
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.RestoreBegun) { Authentication = "console", ItemCount = (long)chain.VersionCount, Detail = Describe() },
            async transaction => restoration = await new Restoration(
                chain.InstallationId.ToArray(), RandomNumberGenerator.GetBytes(BundleFormat.IdLength), token.TokenId,
                [.. chain.Bundles.Select(bundle => bundle.Digest.ToArray())], (long)chain.Newest.Header.Sequence,
                UnixTime.FromNanoseconds(chain.Newest.Header.MadeAtUnixNanoseconds), transaction.Time, Place: null, KeyCount: 0, VersionCount: 0,
                RepeatedCount: 0, FinishTime: null, Revision: 0).WriteAsync(transaction, rows),
            CancellationToken.None);
        return restoration!;
    }

    // Of many bundles as many as there is room for: the newest commits to all before it by its digest.
    private string Describe()
    {
        var text = $"installation {Convert.ToHexStringLower(chain.InstallationId)} onto token {token.TokenId}, backup key {chain.BackupKeyId}, "
            + $"{chain.VersionCount} versions up to {UnixTime.FromNanoseconds(chain.Newest.Header.MadeAtUnixNanoseconds):u}, {chain.OmittedCount} left out by the bundles; "
            + $"signed by {chain.Newest.SigningKeyFingerprint}; bundles, the newest first:";
        foreach (var bundle in chain.Bundles.Reverse())
        {
            var next = string.Create(CultureInfo.InvariantCulture,
                $" {bundle.Header.Sequence} {bundle.Header.Kind.ToString().ToLowerInvariant()} {Convert.ToHexStringLower(bundle.Header.BundleId)} {Convert.ToHexStringLower(bundle.Digest)};");
            if (text.Length + next.Length > DetailLength)
            {
                return $"{text} and those before";
            }

            text += next;
        }

        return text;
    }

    private void DemandAll(Restoration restoration)
    {
        if (restoration.VersionCount + restoration.RepeatedCount != (long)chain.VersionCount)
        {
            throw new StoreTamperedException(
                "restorations", "1", $"{restoration.VersionCount + restoration.RepeatedCount} of {chain.VersionCount} versions were taken from the bundles");
        }
    }

    // Everything that makes the store an installation, in one commit.
    private async Task<Restoration> FinishAsync(
        Restoration restoration, RowAuthenticator rows, NewIntegrityKey integrity, ProvenKeys proven, FirstAdministrator administrator)
    {
        var finished = restoration;
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.InstallationRestored)
            {
                Authentication = "console",
                ItemCount = proven.Versions,
                Detail = $"{proven.Keys} keys, {proven.Versions} versions, {proven.Destroyed} of them destroyed, read back and opened on token {token.TokenId}; "
                    + $"log {Convert.ToHexStringLower(restoration.LogId)}; first administrator {administrator.Name}, "
                    + $"{administrator.Credential.Kind} {administrator.Credential.Value}",
            },
            async transaction =>
            {
                var there = await KeyTables.SumKeysAsync(transaction.Connection);
                if (there != (proven.Keys, proven.RevisionSum))
                {
                    throw new StoreTamperedException("keys", "*", "its rows changed while they were read back");
                }

                finished = await (restoration with { FinishTime = transaction.Time }).WriteAsync(transaction, rows);
                await Installation.CreateAsync(
                    transaction, rows, restoration.InstallationId,
                    [
                        new IntegrityKeyBlob(integrity.TokenId, integrity.RootBlob, integrity.CheckValue),
                        new IntegrityKeyBlob(KeyBlobRow.BackupOf(integrity.BackupKeyId), integrity.BackupBlob, integrity.CheckValue),
                    ],
                    restoration.LogId,
                    new Dictionary<string, (long, long)> { [KeyRing.Register] = (proven.Keys, proven.RevisionSum) });
                await NewInstallation.AddAdministratorAsync(transaction, rows, administrator.Name, PrincipalType.Person, administrator.Credential);
            },
            CancellationToken.None);
        return finished;
    }
}
