using KeyService.Crypto;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.Server.Rotation;

/// <summary>What became of a key that was to be rotated.</summary>
internal enum RotationOutcome
{
    Rotated,

    /// <summary>It was not to be rotated after all: somebody did meanwhile, or it is suspended.</summary>
    NotDue,

    /// <summary>No version waits that stands in enough verified bundles; an alarm is up.</summary>
    GateClosed,
}

/// <summary>Replaces active versions, and makes the ones that wait. Used by the worker on time and by people on demand.</summary>
internal sealed class KeyRotation(
    IStore store, RowAuthenticator rows, KeyMaker maker, KeyChanges changes, ActivationGate gate, AlarmOutlet alarms, TimeProvider time)
{
    /// <summary>Versions that always wait.</summary>
    public const int VersionsAhead = 2;

    private readonly KeyTables _tables = new(rows);

    /// <summary>The version that is to be activated next; null when none may be.</summary>
    public async Task<KeyVersionRow?> FindNextAsync(string name, CancellationToken cancellationToken)
    {
        var waiting = await store.ReadAsync(connection => _tables.ListWaitingAsync(connection, null, name, cancellationToken), cancellationToken);
        foreach (var version in waiting)
        {
            if (await gate.IsOpenAsync(version.Id, cancellationToken))
            {
                return version;
            }
        }

        return null;
    }

    /// <summary>Rotates a key whose time has come.</summary>
    public async Task<RotationOutcome> RotateAsync(string name, CancellationToken cancellationToken)
    {
        var key = await FindAsync(name, cancellationToken);
        var now = time.GetUtcNow();
        if (key?.RotateTime is not { } planned || planned > now)
        {
            return RotationOutcome.NotDue;
        }

        if (await FindNextAsync(name, cancellationToken) is { } next)
        {
            await ActivateAsync(key, next, now, cancellationToken);
        }
        else if (gate.Required)
        {
            await WarnAsync(key, cancellationToken);
            return RotationOutcome.GateClosed;
        }
        else
        {
            await MakeAndActivateAsync(key, now, cancellationToken);
        }

        await alarms.ClearAsync(AlarmKind.BackupGateClosed, name, cancellationToken);
        await alarms.ClearAsync(AlarmKind.KeyAging, name, cancellationToken);
        await alarms.ClearAsync(AlarmKind.WrapBudgetLow, name, cancellationToken);
        return RotationOutcome.Rotated;
    }

    /// <summary>Raises the alarms of a key whose rotation is near or due and cannot be done, and clears them when it can.</summary>
    public async Task LookAheadAsync(string name, CancellationToken cancellationToken)
    {
        if (await FindAsync(name, cancellationToken) is not { RotateTime: not null } key)
        {
            return;
        }

        if (!gate.Required || await FindNextAsync(name, cancellationToken) is not null)
        {
            await alarms.ClearAsync(AlarmKind.BackupGateClosed, name, cancellationToken);
        }
        else
        {
            await WarnAsync(key, cancellationToken);
        }
    }

    /// <summary>Raises the alarm of a key that is due and nears its limit, and clears it of one whose rotation is ahead again.</summary>
    public async Task LookAtAgeAsync(string name, CancellationToken cancellationToken)
    {
        var key = await FindAsync(name, cancellationToken);
        var now = time.GetUtcNow();
        if (key?.WarnTime is not { } warn || warn > now)
        {
            await alarms.ClearAsync(AlarmKind.KeyAging, name, cancellationToken);
        }
        else if (key.RotateTime <= now)
        {
            await WarnOfAgeAsync(key, cancellationToken);
        }
    }

    /// <summary>Keys whose alarm of age stands; none while the store does not answer.</summary>
    public async Task<IReadOnlyList<string>> ListAgingAsync(CancellationToken cancellationToken) =>
        await alarms.StandingAsync(AlarmKind.KeyAging, cancellationToken) ?? [];

    /// <summary>Makes the versions that are missing among those that wait.</summary>
    /// <returns>How many were made.</returns>
    public async Task<int> PrepareAsync(string name, CancellationToken cancellationToken)
    {
        var key = await FindAsync(name, cancellationToken);
        if (key is null || key.WaitingVersions >= VersionsAhead)
        {
            return 0;
        }

        var versions = new List<NewKeyVersion>();
        try
        {
            while (versions.Count < VersionsAhead - key.WaitingVersions)
            {
                versions.Add(await maker.MakeAsync(cancellationToken));
            }

            await store.CommitAsync(
                new AuditRecordDraft(AuditEvent.KeyVersionsPrepared) { Key = name, Automated = true, ItemCount = versions.Count },
                transaction => changes.PrepareAsync(transaction, name, versions), cancellationToken);
            gate.VersionsMade();
            return versions.Count;
        }
        finally
        {
            // They wait for months: the token need not hold them. What was not stored is gone for good.
            foreach (var version in versions)
            {
                await maker.DiscardAsync(version);
            }
        }
    }

    private Task<KeyRow?> FindAsync(string name, CancellationToken cancellationToken) =>
        store.ReadAsync(connection => _tables.FindKeyAsync(connection, null, name, cancellationToken), cancellationToken);

    private async Task ActivateAsync(KeyRow key, KeyVersionRow next, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var record = Record(key, next.Id, now);
        await store.CommitAsync(
            record, transaction => changes.ActivateAsync(transaction, key.Name, next.Id, Change(transaction, record)), cancellationToken);
    }

    private async Task MakeAndActivateAsync(KeyRow key, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var version = await maker.MakeAsync(cancellationToken);
        var stored = false;
        try
        {
            var record = Record(key, version.Id, now);
            await store.CommitAsync(
                record, transaction => changes.RotateAsync(transaction, key.Name, version, Change(transaction, record)), cancellationToken);
            stored = true;
        }
        finally
        {
            if (!stored)
            {
                await maker.DiscardAsync(version);
            }
        }
    }

    private async Task WarnAsync(KeyRow key, CancellationToken cancellationToken)
    {
        await alarms.RaiseAsync(
            AlarmKind.BackupGateClosed, key.Name,
            $"No version of the key {key.Name} that waits stands in enough verified bundles; its rotation is planned for {key.RotateTime:u}. "
            + "See keyservice backup list, and the destinations it names.",
            cancellationToken);
        await WarnOfAgeAsync(key, cancellationToken);
    }

    private async Task WarnOfAgeAsync(KeyRow key, CancellationToken cancellationToken)
    {
        var primary = await store.ReadAsync(
            connection => _tables.FindVersionAsync(connection, null, key.PrimaryVersion, cancellationToken), cancellationToken);
        if (primary is { State: KeyState.Active, ActivateTime: { } activated }
            && key.Rotation.LimitAt(activated) is var limit && time.GetUtcNow() >= limit - key.Rotation.WarnBefore)
        {
            await alarms.RaiseAsync(
                AlarmKind.KeyAging, key.Name, $"The key {key.Name} encrypts nothing more after {limit:u} unless it is rotated before.", cancellationToken);
        }
    }

    private static AuditRecordDraft Record(KeyRow key, KeyVersionId version, DateTimeOffset now) => new(AuditEvent.KeyRotated)
    {
        Key = key.Name,
        KeyVersion = version,
        Automated = true,
        Detail = key.RotateTime is { } planned && now - planned > TimeSpan.FromMinutes(1) ? $"planned for {planned:u}" : "on time",
    };

    private static StateChange Change(IStoreTransaction transaction, AuditRecordDraft record) =>
        new(transaction.Time, StateChange.Service, $"rotated, {record.Detail}");
}
