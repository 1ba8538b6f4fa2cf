using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Backups;

/// <summary>The copies of the bundles in force: read again, made anew where they are missing or damaged, and recorded as they were found.</summary>
internal sealed class BundleCopies(IStore store, BackupTables tables, TimeProvider time, ILogger logger)
{
    /// <summary>How long a copy is believed after it was read.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromHours(24);

    /// <summary>Reads copies of one destination that were not read for a day, or all of them.</summary>
    public async Task CheckAsync(BackupDestination destination, bool all, BundleOrigin origin, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(store, tables, cancellationToken);
        foreach (var bundle in state.InForce)
        {
            if (state.CopyOf(bundle, destination.Name) is { } copy && (all || IsDue(copy)))
            {
                await RecordCopyAsync(destination, bundle, copy, await LookAtAsync(destination, bundle, origin, cancellationToken), cancellationToken);
            }
        }
    }

    /// <summary>Copies what is missing at a destination, or damaged there, from another one.</summary>
    public async Task MendAsync(IReadOnlyList<BackupDestination> reachable, BundleOrigin origin, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(store, tables, cancellationToken);
        foreach (var destination in reachable)
        {
            foreach (var bundle in state.InForce.Where(bundle => !state.IsVerified(bundle, destination.Name)))
            {
                // A server may have copied it and died before it recorded that; or a disk that was away has come back.
                var stands = await LookAtAsync(destination, bundle, origin, cancellationToken) == CopyState.Verified;
                foreach (var source in reachable.Where(each => !stands && each != destination && state.IsVerified(bundle, each.Name)))
                {
                    stands = await destination.TryAsync(
                        async () => Demand(bundle, await destination.CopyAsync(source, bundle.FileName, origin.SigningKey, cancellationToken)), logger);
                    if (stands)
                    {
                        logger.Copied(bundle.Sequence, destination.Name);
                        break;
                    }
                }

                if (stands)
                {
                    await RecordCopyAsync(destination, bundle, state.CopyOf(bundle, destination.Name), CopyState.Verified, cancellationToken);
                }
            }
        }
    }

    /// <summary>The destination is not there: its copies are not either.</summary>
    public async Task LostAsync(BackupDestination destination, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(store, tables, cancellationToken);
        foreach (var bundle in state.InForce)
        {
            if (state.CopyOf(bundle, destination.Name) is { State: CopyState.Verified } copy)
            {
                await RecordCopyAsync(destination, bundle, copy, CopyState.Missing, cancellationToken);
            }
        }
    }

    /// <summary>Whether a verified copy there is to be read again.</summary>
    public async Task<bool> IsAnyDueAsync(BackupDestination destination, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(store, tables, cancellationToken);
        return state.Copies.Any(copy => copy.Destination == destination.Name && copy.State == CopyState.Verified && IsDue(copy));
    }

    private static async Task<CopyState> LookAtAsync(
        BackupDestination destination, BundleRow bundle, BundleOrigin origin, CancellationToken cancellationToken)
    {
        try
        {
            Demand(bundle, await destination.VerifyAsync(bundle.FileName, origin.SigningKey, cancellationToken));
            return CopyState.Verified;
        }
        catch (BundleException)
        {
            return CopyState.Damaged;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return CopyState.Missing;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return CopyState.Damaged;
        }
    }

    private bool IsDue(CopyRow copy) => copy.State != CopyState.Verified || time.GetUtcNow() - copy.CheckedTime >= Every;

    private async Task RecordCopyAsync(
        BackupDestination destination, BundleRow bundle, CopyRow? before, CopyState state, CancellationToken cancellationToken)
    {
        if (before is { State: not CopyState.Verified } && before.State == state)
        {
            return;
        }

        var record = new AuditRecordDraft(AuditEvent.BackupCopyRecorded)
        {
            Automated = true,
            Outcome = state == CopyState.Verified ? AuditOutcome.Success : AuditOutcome.Failed,
            Detail = $"bundle {bundle.Sequence} at {destination.Name}: {state.ToString().ToLowerInvariant()}",
        };
        await store.CommitAsync(
            record, transaction => tables.PutCopyAsync(transaction, before, bundle.Sequence, destination.Name, state), cancellationToken);
    }

    private static void Demand(BundleRow bundle, VerifiedBundle verified)
    {
        if (!verified.Digest.SequenceEqual(bundle.Digest))
        {
            throw new BundleException(BundleFault.Damaged, $"The file {bundle.FileName} holds another bundle than the one recorded.");
        }
    }
}
