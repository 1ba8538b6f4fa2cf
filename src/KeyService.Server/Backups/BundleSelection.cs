using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Protocol.V1;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using BundleKind = KeyService.Crypto.Backups.BundleKind;

namespace KeyService.Server.Backups;

/// <summary>
/// Writes a bundle of the keys that somebody named: a clinic that moves away, a court that asks for one database. It stands beside the installation's chain
/// (ADR 0277): nothing is recorded as backed up by it.
/// </summary>
internal sealed class BundleSelection(IStore store, RowAuthenticator rows, KeyRing keys, BundleSigner signer, TimeProvider time)
{
    /// <summary>Keys of one selection at most.</summary>
    public const int MaxKeys = 1000;

    /// <summary>Versions of all of them at most: some 2.6 MB, which one answer takes.</summary>
    public const int MaxVersions = 10_000;

    private readonly BundleContent _content = new(store, rows);
    private readonly BackupTables _tables = new(rows);

    /// <summary>Makes it, and reads it back.</summary>
    /// <exception cref="Refusal">A key is not there, they have too many versions, or one has no wrap under the backup key.</exception>
    /// <exception cref="StoreTamperedException">A row of theirs was changed: what is asked for is whole or is not given.</exception>
    /// <param name="names">Each once.</param>
    public async Task<(byte[] Bundle, VerifiedBundle Verified)> WriteAsync(IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        await DemandAsync(names, cancellationToken);
        var installation = (await Installation.ReadAsync(store, cancellationToken))!;
        var backupKeyId = signer.BackupKeyId() ?? throw new Refusal(Reason.BackupUnavailable, "The token holds no backup key: no bundle can be written.");
        var integrityKey = installation.IntegrityKeyBlobs.FirstOrDefault(blob => blob.TokenId == KeyBlobRow.BackupOf(backupKeyId))
            ?? throw new Refusal(Reason.BackupUnavailable, $"The store has no integrity key under the backup key {backupKeyId}: no bundle can be written.");
        var state = await BackupState.LoadAsync(store, _tables, cancellationToken);
        var header = BundleHeader.Create(
            installation.Id, RandomNumberGenerator.GetBytes(BundleFormat.IdLength), (ulong)Math.Max(state.NextSequence - 1, 1), BundleKind.Selection,
            UnixTime.Nanoseconds(time.GetUtcNow()), Convert.FromHexString(backupKeyId), state.PreviousDigest);
        using var stream = new MemoryStream();
        using var writer = new BundleWriter(stream, header);
        await writer.WriteIntegrityKeyAsync(integrityKey.Blob, integrityKey.CheckValue, cancellationToken);
        var content = await _content.WriteAsync(writer, BundleScope.Of(names), backupKeyId, new Progress<long>(), cancellationToken);
        if (content.LeftOutCount > 0)
        {
            throw (Exception?)content.Tampered
                ?? new Refusal(Reason.BackupUnavailable, $"{content.LeftOutCount} versions of these keys have no wrap under the backup key {backupKeyId}. No bundle was written.");
        }

        // A key whose rows are all gone is in no page, and nothing of it is left out.
        if (writer.KeyCount != (ulong)names.Count)
        {
            throw new StoreTamperedException("keys", "*", $"{names.Count} keys were named, and {writer.KeyCount} are there");
        }

        var signed = await writer.SealAsync(0, await signer.PublicKey(cancellationToken), cancellationToken);
        await writer.CompleteAsync(await signer.Sign(signed, cancellationToken), cancellationToken);
        stream.Position = 0;
        using var reader = await BundleReader.OpenAsync(stream, cancellationToken);
        while (await reader.ReadAsync(cancellationToken) != BundleItem.End)
        {
            // To its end.
        }

        return (stream.ToArray(), reader.Verified!);
    }

    private async Task DemandAsync(IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        await keys.DemandRegisterAsync(cancellationToken);
        var versions = 0L;
        foreach (var name in names)
        {
            var key = await keys.FindAsync(name, cancellationToken) ?? throw Refusal.NotFound($"Key {name}");
            versions += key.Row.VersionCount;
        }

        if (versions > MaxVersions)
        {
            throw Refusal.InvalidArgument("keys", $"have {versions} versions together, and a selection holds {MaxVersions} at most: name fewer, or export a full bundle");
        }
    }
}
