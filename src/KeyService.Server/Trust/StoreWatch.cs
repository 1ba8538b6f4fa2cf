using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>
/// Looks at the store and at the clock, before the server serves and every two seconds while it does: a store that stands behind what this server has seen,
/// or went another way, stops protection until an officer accepts it; so does a clock that was set back, until it is right. Keeps what was seen in a
/// file beside the server, a few seconds behind at most.
/// </summary>
internal sealed class StoreWatch(
    IStore store, RowAuthenticator rows, StoreTrust trust, ClockGuard clock, AlarmOutlet alarms, StoreAccount account, TrustFiles files,
    TimeProvider time, ILogger<StoreWatch> logger) : BackgroundService
{
    /// <summary>Between two looks.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan FileEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan MarkEvery = TimeSpan.FromHours(1);
    private const string Installation = "installation";

    private readonly SemaphoreSlim _turn = new(1);
    private readonly SealedFile _file = StoreSeen.File(files, rows);
    private StoreSeen _seen = new([], DateTimeOffset.UnixEpoch, []);
    private StoreSeen? _written;
    private DateTimeOffset _writtenAt;
    private ClockFinding _clock = ClockFinding.Good;
    private bool _jumped;

    private static string Server => Environment.MachineName;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(files.DataDirectory);
        await ReadFileAsync(cancellationToken);
        await ReadClockAsync(cancellationToken);
        await LookAtStoreAsync(cancellationToken);
        await LookAtClockAsync(cancellationToken);
        if (await account.TakeOnceAsync(cancellationToken) is > 0 and var count)
        {
            TrustLog.AccountTaken(logger, count);
        }

        await TryAsync(() => RaiseMarkAsync(cancellationToken));
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await TryAsync(async () =>
        {
            await LookAtStoreAsync(CancellationToken.None);
            await WriteFileAsync(CancellationToken.None);
        });
    }

    public override void Dispose()
    {
        _turn.Dispose();
        base.Dispose();
    }

    /// <summary>A look at the store and one at the clock.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        await LookAtStoreAsync(cancellationToken);
        await LookAtClockAsync(cancellationToken);
    }

    /// <summary>
    /// Part of the change in which an officer accepts the store or the clock as they stand; what is accepted counts from when it is durable.
    /// </summary>
    /// <param name="withClock">Whether the clock is accepted too, if it is set back.</param>
    /// <returns>What was accepted; null when there is nothing to accept.</returns>
    public async Task<StoreAcceptance?> AcceptAsync(IStoreTransaction transaction, string principal, string reason, bool withClock)
    {
        var restored = trust.Difference is not null;
        var clockBehind = withClock && clock.Behind > TimeSpan.Zero;
        if (!restored && !clockBehind)
        {
            return null;
        }

        var logs = await SeenLog.ReadEndsAsync(transaction.Connection, transaction.Transaction, await SlotsAsync());
        var acceptance = new StoreAcceptance(
            StoreAcceptance.NewId(), transaction.Time, principal, reason, logs, restored, clockBehind ? transaction.Time : null);
        await acceptance.InsertAsync(transaction, rows);
        if (clockBehind)
        {
            await ClockMark.WriteAsync(
                transaction, rows, await ClockMark.ReadAsync(transaction.Connection, transaction.Transaction, rows, CancellationToken.None), transaction.Time);
        }

        transaction.OnCommitted(() => TakeOver(acceptance));
        return acceptance;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(Every, time, stoppingToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await TryAsync(async () =>
            {
                await LookAsync(stoppingToken);
                if (time.GetUtcNow() - _writtenAt is var since && (since >= FileEvery || since < TimeSpan.Zero))
                {
                    await WriteFileAsync(stoppingToken);
                }

                await RaiseMarkAsync(stoppingToken);
            });
        }
    }

    private async Task TryAsync(Func<Task> look)
    {
        try
        {
            await look();
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
        catch (Exception e)
        {
            TrustLog.LookFailed(logger, e);
        }
    }

    private async Task ReadFileAsync(CancellationToken cancellationToken)
    {
        if (await StoreSeen.ReadAsync(_file, cancellationToken) is { } seen)
        {
            _seen = seen;
            clock.Saw(seen.NewestTime);
        }
        else if (File.Exists(_file.Path))
        {
            TrustLog.ForeignFile(logger, _file.Path);
        }
    }

    // Until a server has seen something itself, it believes what the installation wrote down.
    private async Task ReadClockAsync(CancellationToken cancellationToken)
    {
        var acceptances = await store.ReadAsync(
            connection => StoreAcceptance.ReadAsync(connection, null, rows, cancellationToken), cancellationToken);
        foreach (var acceptance in acceptances.Where(each => each.ClockAt is not null && !_seen.Acceptances.Contains(each.Id)))
        {
            clock.Accept(acceptance.ClockAt!.Value);
        }

        if (await store.ReadAsync(connection => ClockMark.ReadAsync(connection, null, rows, cancellationToken), cancellationToken) is { } mark)
        {
            clock.Saw(mark.NewestTime);
        }

        // A slot that ended while the clock was wrong, and whose end was there when an officer accepted the right one, does not count.
        var ends = await store.ReadAsync(async connection => await SeenLog.ReadEndsAsync(connection, null, await SlotsAsync()), cancellationToken);
        var accepted = acceptances.Where(each => each.ClockAt is not null).SelectMany(each => each.Logs).ToList();
        foreach (var end in ends.Where(end => !accepted.Exists(known => known.Slot == end.Slot && known.Sequence >= end.Sequence)))
        {
            clock.Saw(end.Time);
        }
    }

    private async Task LookAtStoreAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var slots = await SlotsAsync();
            var (difference, accepted, now, acceptances) = await store.ReadAsync(
                async connection =>
                {
                    var all = await StoreAcceptance.ReadAsync(connection, null, rows, cancellationToken);
                    var differs = await _seen.DifferenceAsync(connection, null);
                    return (
                        differs, differs is null ? null : await _seen.NewAcceptanceAsync(connection, all),
                        await SeenLog.ReadEndsAsync(connection, null, slots), all);
                },
                cancellationToken);
            foreach (var acceptance in acceptances.Where(each => each.ClockAt is not null && !_seen.Acceptances.Contains(each.Id)))
            {
                clock.Accept(acceptance.ClockAt!.Value);
            }

            if (difference is not null && accepted is null)
            {
                await FoundAsync(difference);
                return;
            }

            if (trust.Difference is not null)
            {
                // Another server's officer accepted it; or it is again the one that was seen.
                await MendedAsync(accepted);
            }

            _seen = new StoreSeen(now, clock.Newest, [.. acceptances.Select(each => each.Id)]);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task FoundAsync(string difference)
    {
        if (trust.Difference is not null)
        {
            return;
        }

        trust.Differs(difference);
        rows.Seen.Suspend();
        TrustLog.Restored(logger, difference);
        await alarms.RaiseAsync(
            AlarmKind.StoreRestored, Installation,
            $"The database was put back to an earlier day: {difference}. Nothing is encrypted until an officer accepts it (keyservice store accept).",
            CancellationToken.None);
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.StoreRestoreFound) { Outcome = AuditOutcome.Failed, Automated = true, Source = Server, Detail = difference },
            null, CancellationToken.None);
    }

    private void TakeOver(StoreAcceptance acceptance)
    {
        if (acceptance.ClockAt is { } accepted)
        {
            clock.Accept(accepted);
        }

        if (acceptance.IsRestored)
        {
            rows.Seen.BeginAnew();
            trust.Accepted();
        }

        // What was seen before is no measure any more; the next look sees what stands.
        _seen = _seen with { Logs = acceptance.IsRestored ? acceptance.Logs : _seen.Logs, Acceptances = [.. _seen.Acceptances, acceptance.Id] };
        RowAccount.Forget(files.ScrubDirectory);
        TrustLog.Accepted(logger, acceptance.AcceptedBy, acceptance.Reason);
    }

    private async Task MendedAsync(StoreAcceptance? acceptance)
    {
        if (acceptance is null)
        {
            rows.Seen.BeginAnew();
            trust.Accepted();
        }
        else
        {
            TakeOver(acceptance);
        }

        await ClearRestoredAsync();
    }

    /// <summary>The alarm is over; after an acceptance was committed.</summary>
    public Task ClearRestoredAsync() => alarms.ClearAsync(AlarmKind.StoreRestored, Installation, CancellationToken.None);

    private async Task LookAtClockAsync(CancellationToken cancellationToken)
    {
        var before = time.GetUtcNow();
        var finding = clock.Look();
        if (finding == ClockFinding.Jumped)
        {
            await JumpedAsync(before, cancellationToken);
        }

        if (finding == ClockFinding.SetBack && _clock != ClockFinding.SetBack)
        {
            var behind = ClockGuard.Length(clock.Behind);
            TrustLog.ClockSetBack(logger, behind);
            await alarms.RaiseAsync(
                AlarmKind.ClockSetBack, Server, $"The clock of {Server} stands {behind} before the latest time that was seen. Nothing is encrypted until it is right.",
                cancellationToken);
            await RecordClockAsync(AuditOutcome.Failed, $"set back by {behind}");
        }
        else if (finding != ClockFinding.SetBack && _clock == ClockFinding.SetBack)
        {
            TrustLog.ClockRight(logger);
            await alarms.ClearAsync(AlarmKind.ClockSetBack, Server, cancellationToken);
            await RecordClockAsync(AuditOutcome.Success, "right again");
        }

        _clock = finding;
        if (_jumped && !clock.PaceOfBacklog)
        {
            _jumped = false;
            await alarms.ClearAsync(AlarmKind.ClockJumped, Server, cancellationToken);
        }
    }

    private async Task JumpedAsync(DateTimeOffset to, CancellationToken cancellationToken)
    {
        _jumped = true;
        TrustLog.ClockJumped(logger, $"more than a day, to {to:u}");
        await alarms.RaiseAsync(
            AlarmKind.ClockJumped, Server,
            $"The clock of {Server} jumped forward to {to:u}. What became due by that is taken slowly. If the clock is wrong now, set it, and accept it: keyservice store accept --clock.",
            cancellationToken);
        await RecordClockAsync(AuditOutcome.Success, $"jumped forward to {to:u}");
    }

    private Task<CommitReceipt> RecordClockAsync(AuditOutcome outcome, string detail) => store.CommitAsync(
        new AuditRecordDraft(AuditEvent.ClockFound) { Outcome = outcome, Automated = true, Source = Server, Detail = detail }, null, CancellationToken.None);

    private async Task WriteFileAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var seen = _seen with { NewestTime = clock.Newest };
            if (trust.Difference is null && !ReferenceEquals(_seen, _written))
            {
                await seen.WriteAsync(_file, cancellationToken);
                _written = _seen;
                _writtenAt = time.GetUtcNow();
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task RaiseMarkAsync(CancellationToken cancellationToken)
    {
        var mark = await store.ReadAsync(connection => ClockMark.ReadAsync(connection, null, rows, cancellationToken), cancellationToken);
        if (trust.Difference is not null || clock.Behind > TimeSpan.Zero || mark is not null && time.GetUtcNow() - mark.NewestTime < MarkEvery)
        {
            return;
        }

        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.ClockFound) { Automated = true, Source = Server, Detail = "the latest time was written down" },
            async transaction =>
            {
                var before = await ClockMark.ReadAsync(transaction.Connection, transaction.Transaction, rows, CancellationToken.None);
                if (before is null || before.NewestTime < transaction.Time)
                {
                    await ClockMark.WriteAsync(transaction, rows, before, transaction.Time);
                }
            },
            CancellationToken.None);
    }

    private Task<List<int>> SlotsAsync() => AuditLog.ReadSlotsAsync(store, CancellationToken.None);
}
