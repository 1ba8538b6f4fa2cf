using KeyService.Crypto;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Holdings;
using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.Server.Destruction;

/// <summary>
/// Looks after destructions that wait. Every server tells what it did with their versions; one of them, in the role "destruction", ends the
/// waiting periods that are over: as pending approval when nothing needs the versions, as blocked when something does.
/// </summary>
internal sealed partial class DestructionWatch(
    IStore store, RowAuthenticator rows, VersionUses versionUses, DestructionScan scan, AlarmOutlet alarms, TimeProvider time, ILogger<DestructionWatch> logger)
    : BackgroundService
{
    /// <summary>Longest time from a use to its alarm, and from the end of a waiting period to what follows.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private const string Role = "destruction";

    private readonly DestructionTable _table = new(rows);

    /// <summary>One round.</summary>
    public async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var open = await store.ReadAsync(connection => _table.ListOpenAsync(connection, null, cancellationToken), cancellationToken);
        versionUses.Watch(open.SelectMany(each => each.Versions));
        var uses = versionUses.Take();
        foreach (var destruction in open)
        {
            var mine = destruction.Versions.Where(uses.ContainsKey).ToList();
            if (mine.Count > 0)
            {
                await TellAsync(destruction, mine, uses, cancellationToken);
            }
        }

        if (open.Any(IsDue) && await store.TryTakeRoleAsync(Role, cancellationToken) is { } role)
        {
            await using (role)
            {
                using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, role.Lost);
                foreach (var destruction in open.Where(IsDue))
                {
                    await EndAsync(destruction.Id, both.Token);
                }
            }
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        do
        {
            try
            {
                await RunOnceAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
            {
                // A store that is away, a row that was edited: the versions go on decrypting, and the next round tries again.
                RoundFailed(logger, e);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private bool IsDue(DestructionRow destruction) => destruction.State == DestructionState.Waiting && destruction.DueTime <= time.GetUtcNow();

    private async Task TellAsync(
        DestructionRow destruction, List<KeyVersionId> versions, IReadOnlyDictionary<KeyVersionId, long> uses, CancellationToken cancellationToken)
    {
        var count = versions.Sum(version => uses[version]);
        var record = new AuditRecordDraft(AuditEvent.DestroyingVersionUsed)
        {
            Key = destruction.Key, KeyVersion = versions[0], ItemCount = count, Automated = true,
            Detail = $"destruction {destruction.IdText}: {count} calls with {string.Join(", ", versions)}",
        };
        try
        {
            await store.CommitAsync(
                record,
                async transaction =>
                {
                    if (await _table.FindAsync(transaction.Connection, transaction.Transaction, destruction.Id, CancellationToken.None) is { IsOpen: true } row)
                    {
                        await _table.UpdateAsync(transaction, row with
                        {
                            Uses = row.Uses + count, LastUseTime = transaction.Time, Revision = row.Revision + 1,
                        });
                    }
                },
                cancellationToken);
        }
        catch
        {
            foreach (var version in versions)
            {
                versionUses.GiveBack(version, uses[version]);
            }

            throw;
        }

        await alarms.RaiseAsync(
            AlarmKind.DestroyingKeyInUse, destruction.Key,
            $"Version {string.Join(", ", versions)} is in use while its destruction {destruction.IdText} waits. Find out who uses it (audit log) and "
            + "re-encrypt that, or cancel the destruction.",
            cancellationToken);
    }

    // What is needed is looked for before the change: reading may take its time, a change must not.
    private async Task EndAsync(ulong id, CancellationToken cancellationToken)
    {
        var before = await store.ReadAsync(connection => _table.FindAsync(connection, null, id, cancellationToken), cancellationToken);
        if (before is null || !IsDue(before))
        {
            return;
        }

        var found = await scan.DependenciesAsync(before.Versions, cancellationToken);
        var after = before with { State = found.Count == 0 ? DestructionState.PendingApproval : DestructionState.Blocked };
        var certificate = await scan.CertifyAsync(after, found, cancellationToken);
        var record = new AuditRecordDraft(found.Count == 0 ? AuditEvent.DestructionAwaitsApproval : AuditEvent.DestructionBlocked)
        {
            Key = before.Key, KeyVersion = before.Versions[0], ItemCount = before.Versions.Count, Automated = true,
            Detail = $"destruction {before.IdText}: "
                + (found.Count == 0 ? "nothing registered needs it" : string.Join("; ", found.Take(5).Select(each => each.Dependency.Detail))),
        };
        await store.CommitAsync(
            record,
            async transaction =>
            {
                var row = await _table.FindAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None);
                if (row is null || row.Revision != before.Revision)
                {
                    // Cancelled, or used, since it was looked at: the next round looks again.
                    throw new ChangedMeanwhileException();
                }

                await _table.UpdateAsync(transaction, after with
                {
                    EndTime = found.Count == 0 ? null : transaction.Time, Certificate = certificate, Revision = before.Revision + 1,
                });
            },
            cancellationToken);
        if (found.Count > 0)
        {
            await alarms.ClearAsync(AlarmKind.DestroyingKeyInUse, before.Key, cancellationToken);
        }
    }

    private sealed class ChangedMeanwhileException() : Exception("A destruction was changed while it was looked at.");

    [LoggerMessage(6400, LogLevel.Warning, "Destructions that wait could not be looked after; it is tried again")]
    private static partial void RoundFailed(ILogger logger, Exception exception);
}
