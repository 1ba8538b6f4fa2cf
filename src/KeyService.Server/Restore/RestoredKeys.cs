using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Hsm.Restore;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.Server.Restore;

/// <summary>
/// Puts restored keys into the store, a batch in a transaction, with the audit record of its rows. What may protect when the bundle was made, or may have
/// begun to since, never protects again: nobody knows how much it encrypted afterwards (ADR 0273).
/// </summary>
internal sealed class RestoredKeys(IStore store, RowAuthenticator rows, string tokenId, string backupKeyId)
{
    private readonly KeyTables _keys = new(rows);
    private readonly KeyMaterialTables _material = new(rows);
    private readonly KeyTransitionTable _transitions = new(rows);

    /// <summary>Stores a batch and moves the restoration on.</summary>
    /// <param name="sequence">Number of the batch's bundle.</param>
    public async Task<Restoration> StoreAsync(Restoration restoration, RestoredBatch batch, ulong sequence)
    {
        Restoration? next = null;
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeysRestored)
            {
                Automated = true,
                ItemCount = batch.Keys.Sum(key => key.Versions.Count),
                Detail = $"bundle {sequence}, {batch.Keys[0].Name} to {batch.Keys[^1].Name}",
            },
            async transaction =>
            {
                var moved = restoration with { Place = batch.End };
                var keys = await _keys.FindKeysAsync(
                    transaction.Connection, transaction.Transaction, [.. batch.Keys.Select(key => key.Name)], CancellationToken.None);
                var versions = await _keys.FindVersionsAsync(
                    transaction.Connection, transaction.Transaction, [.. batch.Keys.SelectMany(key => key.Versions).Select(version => version.Id)],
                    CancellationToken.None);
                foreach (var key in batch.Keys)
                {
                    moved = await StoreAsync(transaction, moved, key, keys.GetValueOrDefault(key.Name), versions, sequence);
                }

                next = await moved.WriteAsync(transaction, rows);
            },
            CancellationToken.None);
        return next!;
    }

    /// <summary>A key whose primary version was left out of the bundle has its newest one in its place: it protects nothing either.</summary>
    public Task NamePrimaryAsync(string name, KeyVersionId primary) => store.CommitAsync(
        new AuditRecordDraft(AuditEvent.KeysRestored)
        {
            Automated = true, Key = name, KeyVersion = primary, Detail = "the version that protected was left out of the bundle; the newest one stands for it",
        },
        async transaction =>
        {
            var key = (await _keys.FindKeyAsync(transaction.Connection, transaction.Transaction, name, CancellationToken.None))!;
            await _keys.UpdateKeyAsync(transaction, key with { PrimaryVersion = primary, RotateTime = transaction.Time, Revision = key.Revision + 1 });
        },
        CancellationToken.None);

    /// <param name="before">The key as it stands in the store; null: not yet.</param>
    /// <param name="there">Versions of the batch that stand in the store.</param>
    private async Task<Restoration> StoreAsync(
        IStoreTransaction transaction, Restoration restoration, RestoredKey restored, KeyRow? before, Dictionary<KeyVersionId, KeyVersionRow> there, ulong sequence)
    {
        if (before is null && restored.Versions.Count == 0)
        {
            return restoration; // all its versions were left out: a key without any is none
        }

        var (added, changes) = (0, 0);
        KeyVersionRow? primary = null;
        var primaryId = KeyTables.Unsigned(Value(restored.Attributes, BundleAttributeId.PrimaryVersion) ?? 0);
        foreach (var version in restored.Versions)
        {
            var row = RowOf(transaction, restored.Name, version, sequence);
            if (!there.TryGetValue(version.Id, out var present))
            {
                await InsertAsync(transaction, row, version);
                (added, changes) = (added + 1, changes + 1);
            }
            else if (present.KeyName != restored.Name)
            {
                throw new BundleException(BundleFault.Damaged, $"Key version {version.Id} is one of {present.KeyName} and of {restored.Name}.");
            }
            else if (present.State != row.State && present.State != KeyState.Destroyed)
            {
                row = await ChangeAsync(transaction, present, row);
                changes++;
            }

            primary = version.Id == primaryId ? row : primary;
        }

        await PutKeyAsync(transaction, before, restored, primaryId, primary, added, changes);
        return restoration with
        {
            KeyCount = restoration.KeyCount + (before is null ? 1 : 0),
            VersionCount = restoration.VersionCount + added,
            RepeatedCount = restoration.RepeatedCount + restored.Versions.Count - added,
        };
    }

    private async Task PutKeyAsync(
        IStoreTransaction transaction, KeyRow? before, RestoredKey restored, KeyVersionId primaryId, KeyVersionRow? primary, int added, int changes)
    {
        var rotation = new RotationPolicy(
            Seconds(restored.Attributes, BundleAttributeId.RotationPeriodSeconds) ?? RotationPolicy.Default.Period,
            Seconds(restored.Attributes, BundleAttributeId.RotationLimitSeconds) ?? RotationPolicy.Default.Limit,
            Seconds(restored.Attributes, BundleAttributeId.WarnBeforeSeconds) ?? RotationPolicy.Default.WarnBefore);
        // Due at once: nothing else protects until then. A key that was stopped by a person stays stopped.
        DateTimeOffset? rotateTime = primary?.State is KeyState.Suspended or KeyState.Destroyed ? null : transaction.Time;
        if (before is null)
        {
            await _keys.InsertKeyAsync(transaction, new KeyRow(
                restored.Name, (KeyPurpose)Value(restored.Attributes, BundleAttributeId.Purpose)!.Value, rotation,
                UnixTime.FromNanoseconds(Value(restored.Attributes, BundleAttributeId.CreatedAt)!.Value), primaryId, added, changes,
                WaitingVersions: 0, rotateTime, Revision: 1));
            return;
        }

        var after = before with
        {
            Rotation = rotation,
            PrimaryVersion = primaryId,
            VersionCount = before.VersionCount + added,
            VersionChangeCount = before.VersionChangeCount + changes,
            RotateTime = primary is not null ? rotateTime : primaryId == before.PrimaryVersion ? before.RotateTime : transaction.Time,
        };
        if (after != before)
        {
            await _keys.UpdateKeyAsync(transaction, after with { Revision = before.Revision + 1 });
        }
    }

    private async Task InsertAsync(IStoreTransaction transaction, KeyVersionRow row, RestoredVersion version)
    {
        await _keys.InsertVersionAsync(transaction, row);
        await _transitions.InsertAsync(transaction, row.Id, new KeyTransition(1, null, row.State, row.LastChange!));
        await _material.InsertBlobAsync(transaction, new KeyBlobRow(row.Id, tokenId, version.Material?.RootBlob ?? [], Revision: 1));
        await _material.InsertBlobAsync(
            transaction, new KeyBlobRow(row.Id, KeyBlobRow.BackupOf(backupKeyId), version.Material?.BackupBlob ?? [], Revision: 1));
        await _material.InsertBulkKeyAsync(transaction, new BulkKeyRow(row.Id, version.Material?.BulkKey ?? [], Revision: 1));
        // The count says how many there are at most, and 2^32 is the most there may be: with it a version wraps no data key, whatever its state becomes.
        await _material.PutWrapCountAsync(transaction, new WrapCountRow(row.Id, WrapBudget.Limit, Revision: 1));
    }

    // A later bundle holds it again, and says otherwise.
    private async Task<KeyVersionRow> ChangeAsync(IStoreTransaction transaction, KeyVersionRow present, KeyVersionRow later)
    {
        var row = later with { CheckValue = present.CheckValue, TransitionCount = present.TransitionCount + 1, Revision = present.Revision + 1 };
        await _keys.UpdateVersionAsync(transaction, row);
        await _transitions.InsertAsync(transaction, row.Id, new KeyTransition(row.TransitionCount, present.State, row.State, row.LastChange!));
        if (row.State == KeyState.Destroyed)
        {
            await _material.ClearAsync(transaction, row.Id);
        }

        return row;
    }

    private static KeyVersionRow RowOf(IStoreTransaction transaction, string name, RestoredVersion version, ulong sequence)
    {
        var attributes = version.Attributes;
        var was = (KeyState)Value(attributes, BundleAttributeId.State)!.Value;
        if (!Enum.IsDefined(was) || (was == KeyState.Destroyed) != (version.Material is null))
        {
            throw new BundleException(BundleFault.Damaged, $"Key version {version.Id} has a state that does not go with what stands there of it.");
        }

        var createTime = Time(attributes, BundleAttributeId.CreatedAt)!.Value;
        var stopped = was is KeyState.Active or KeyState.PreActivation;
        var change = stopped
            ? new StateChange(
                transaction.Time, StateChange.Service,
                $"restored from bundle {sequence}, where it was {KeyStates.NameOf(was)}: what it encrypted since is not known")
            : new StateChange(
                Time(attributes, BundleAttributeId.StateChangedAt) ?? createTime,
                StateChange.Service, $"as bundle {sequence} has it, from which it was restored");
        return new KeyVersionRow(
            version.Id, name, stopped ? KeyState.Deactivated : was, createTime,
            Time(attributes, BundleAttributeId.ActivatedAt) ?? (was == KeyState.Suspended ? createTime : null), stopped ? transaction.Time : Time(attributes, BundleAttributeId.DeactivatedAt),
            version.Material?.CheckValue ?? [], change, Revision: 1)
        {
            ProcessingStopped = was == KeyState.Suspended && Value(attributes, BundleAttributeId.ProcessingStopped) == 1,
            SuspectedSince = Time(attributes, BundleAttributeId.SuspectedSince),
            CompromiseProcessedTime = Time(attributes, BundleAttributeId.ProcessedAt),
            TransitionCount = 1,
        };
    }

    private static long? Value(IReadOnlyList<BundleAttribute> attributes, BundleAttributeId id)
    {
        foreach (var attribute in attributes)
        {
            if (attribute.Id == id)
            {
                return attribute.Value;
            }
        }

        return null;
    }

    private static DateTimeOffset? Time(IReadOnlyList<BundleAttribute> attributes, BundleAttributeId id) => UnixTime.FromNanoseconds(Value(attributes, id));

    private static TimeSpan? Seconds(IReadOnlyList<BundleAttribute> attributes, BundleAttributeId id) =>
        Value(attributes, id) is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
}
