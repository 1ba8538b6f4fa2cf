using System.Globalization;
using KeyService.Server.Alarms;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Audit.Search;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// Follows the log of every slot for one sink. The log is the queue: a sink that takes nothing stays behind, with growing pauses, and goes on
/// where it last confirmed. Not thread safe, but for <see cref="Status"/>.
/// </summary>
internal sealed partial class SinkFollower(
    SinkConfiguration configuration, IAuditSink sink, IStore store, RowAuthenticator rows, AlarmOutlet alarms, TimeSpan alarmAfter, TimeProvider time,
    ILogger logger)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private SinkRow _row = SinkRow.New(configuration.Name);
    private bool _loaded;

    /// <summary>Confirmed, and perhaps not written yet.</summary>
    private Dictionary<int, long> _confirmed = [];
    private Dictionary<int, long> _sent = [];

    /// <summary>Slots whose beginning was looked up.</summary>
    private readonly HashSet<int> _placed = [];
    private long _unconfirmedRecords;
    private long _unconfirmedBytes;
    private DateTimeOffset? _unconfirmedSince;

    /// <summary>Something is sent and not written that is not <see cref="Housekeeping"/>.</summary>
    private bool _matters;
    private long _unwritten;
    private int _failures;
    private long _delivered;
    private long _lag;
    private DateTimeOffset? _oldestMissing;

    public SinkConfiguration Configuration { get; } = configuration;

    /// <summary>How it stands; null before the first look.</summary>
    public SinkStatus? Status { get; private set; }

    /// <summary>Pause before the next step after failures; zero without.</summary>
    public TimeSpan Pause => _failures == 0 ? TimeSpan.Zero
        : TimeSpan.FromSeconds(Math.Min(LongestPause.TotalSeconds, Math.Pow(2, Math.Min(_failures - 1, 10))));

    /// <summary>Delivers a page of each slot, and asks for a confirmation when that is due.</summary>
    /// <returns>There is more to deliver now.</returns>
    /// <exception cref="StoreUnavailableException">The store does not answer; the sink has no part in it.</exception>
    public async Task<bool> StepAsync(CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        try
        {
            var more = await DeliverAsync(cancellationToken);
            if (IsDue())
            {
                await ConfirmAsync(cancellationToken);
            }

            await JudgeAsync(cancellationToken);
            return more;
        }
        catch (SinkException e)
        {
            await FailedAsync(e.Message, e, cancellationToken);
            return false;
        }
        catch (OvertakenException)
        {
            // Or a commit of this server stood that seemed to have failed: begin where the row says.
            await sink.ResetAsync();
            ForgetUnconfirmed();
            _loaded = false;
            return false;
        }
        catch (StoreTamperedException e)
        {
            // A record that is not what its hash says goes nowhere; those of the other sinks stop at it too.
            await alarms.RaiseAsync(AlarmKind.StoreTampered, $"{e.Table}/{e.RowId}", e.Message, cancellationToken);
            await FailedAsync(e.Message, e, cancellationToken);
            return false;
        }
    }

    /// <summary>Confirms what was sent, when the server stops.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        if (_unconfirmedRecords > 0 && _failures == 0 && _matters)
        {
            await ConfirmAsync(cancellationToken);
        }
    }

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        if (_loaded)
        {
            return;
        }

        _row = await store.ReadAsync(connection => SinkRow.ReadAsync(connection, rows, Configuration.Name, cancellationToken), cancellationToken);
        _confirmed = new Dictionary<int, long>(_row.Next);
        _sent = new Dictionary<int, long>(_row.Next);
        _placed.Clear();
        _failures = _row.FailingSince is null ? 0 : 1;
        _loaded = true;
    }

    private async Task<bool> DeliverAsync(CancellationToken cancellationToken)
    {
        var ends = new Dictionary<int, long>();
        foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellationToken))
        {
            await PlaceAsync(slot, cancellationToken);
            ends[slot] = await new AuditLog(store, slot).ReadLastSequenceAsync(cancellationToken) + 1;
        }

        _lag = ends.Sum(end => end.Value - _sent.GetValueOrDefault(end.Key));
        _oldestMissing = _lag == 0 ? null : _oldestMissing;
        foreach (var (slot, end) in ends)
        {
            var next = _sent.GetValueOrDefault(slot);
            if (next > end)
            {
                throw new StoreTamperedException("audit_records", $"{slot}/{end}", $"the log ends before record {next - 1}, which {Configuration.Name} has: it was cut");
            }

            if (next < end)
            {
                await DeliverAsync(slot, next, end - 1, cancellationToken);
            }
        }

        return _lag > 0;
    }

    // What was deleted after its years of retention is in archives, and no sink gets it any more.
    private async Task PlaceAsync(int slot, CancellationToken cancellationToken)
    {
        if (_placed.Contains(slot))
        {
            return;
        }

        var start = await store.ReadAsync(connection => AuditRetention.ReadStartAsync(connection, rows, slot, cancellationToken), cancellationToken);
        if (_sent.GetValueOrDefault(slot) < start.Size)
        {
            _sent[slot] = _confirmed[slot] = start.Size;
        }

        _placed.Add(slot);
    }

    private async Task DeliverAsync(int slot, long next, long last, CancellationToken cancellationToken)
    {
        var page = await new AuditLog(store, slot).ReadAsync(next, last, cancellationToken);
        if (page.Count == 0)
        {
            throw new StoreTamperedException("audit_records", $"{slot}/{next}", "the record is missing");
        }

        var records = page.Select((entry, index) => LoggedRecord.Of(slot, entry, next + index)).ToList();
        _oldestMissing = UnixTime.FromNanoseconds(records[0].Record.TimeUnixNanoseconds);
        await sink.SendAsync(slot, records, cancellationToken);
        _sent[slot] = next + records.Count;
        _lag -= records.Count;
        _oldestMissing = _lag == 0 ? null : _oldestMissing;
        _delivered += records.Count;
        _unconfirmedRecords += records.Count;
        _unconfirmedBytes += records.Sum(record => (long)record.Entry.Record.Length);
        if (records.Exists(record => !Housekeeping.Is(record.Record.EventId)))
        {
            _matters = true;
            _unconfirmedSince ??= time.GetUtcNow();
        }
    }

    // After a failure at once: whether it is over is known when something is confirmed.
    private bool IsDue() => _unconfirmedRecords > 0
        && (_failures > 0 || _unconfirmedRecords >= sink.Pace.Records || _unconfirmedBytes >= sink.Pace.Bytes
            || (_unconfirmedSince is { } since && time.GetUtcNow() - since >= sink.Pace.Age));

    private async Task ConfirmAsync(CancellationToken cancellationToken)
    {
        await sink.ConfirmAsync(cancellationToken);
        _confirmed = new Dictionary<int, long>(_sent);
        _unwritten += _unconfirmedRecords;
        ForgetUnconfirmed();
        var recovered = _failures > 0;
        _failures = 0;
        if (recovered || _matters || _unwritten >= sink.Pace.Records)
        {
            var next = _row with { Next = _confirmed, ConfirmedAt = time.GetUtcNow(), FailingSince = null, Error = "" };
            await WriteAsync(
                next,
                new AuditRecordDraft(recovered ? AuditEvent.AuditSinkRecovered : AuditEvent.AuditSinkAdvanced)
                {
                    Automated = true,
                    ItemCount = _unwritten,
                    Detail = $"{Configuration.Name}: {string.Join(", ", _confirmed.OrderBy(each => each.Key).Select(each => $"slot {each.Key} up to {each.Value - 1}"))}",
                });
            (_matters, _unwritten) = (false, 0);
        }
    }

    private async Task FailedAsync(string why, Exception exception, CancellationToken cancellationToken)
    {
        await sink.ResetAsync();
        _lag += _sent.Sum(each => each.Value - _confirmed.GetValueOrDefault(each.Key));
        _sent = new Dictionary<int, long>(_confirmed);
        ForgetUnconfirmed();
        _failures++;
        if (_row.FailingSince is null)
        {
            SinkFailed(logger, Configuration.Name, why, exception);
            await WriteAsync(
                _row with { Next = _confirmed, FailingSince = time.GetUtcNow(), Error = why },
                new AuditRecordDraft(AuditEvent.AuditSinkFailed) { Automated = true, Outcome = AuditOutcome.Failed, Detail = $"{Configuration.Name}: {why}" });
        }
        else
        {
            _row = _row with { Error = why };
        }

        await JudgeAsync(cancellationToken);
    }

    private async Task JudgeAsync(CancellationToken cancellationToken)
    {
        Status = new SinkStatus(_row, Here: true, _delivered, _lag, _oldestMissing);
        var since = _row.FailingSince is { } failing && !(_oldestMissing < failing) ? failing : _oldestMissing;
        if (since is { } from && time.GetUtcNow() - from >= alarmAfter)
        {
            var why = _row.Error.Length == 0 ? "it takes them too slowly, or begins" : _row.Error;
            await alarms.RaiseAsync(
                AlarmKind.SinkBehind, Configuration.Name,
                string.Create(CultureInfo.InvariantCulture, $"{Configuration.Kind} {Configuration.Target} lacks {_lag} records of the audit log, the oldest of {from:u}: {why}"),
                cancellationToken);
        }
        else if (_row.FailingSince is null)
        {
            await alarms.ClearAsync(AlarmKind.SinkBehind, Configuration.Name, cancellationToken);
        }
    }

    private void ForgetUnconfirmed() => (_unconfirmedRecords, _unconfirmedBytes, _unconfirmedSince) = (0, 0, null);

    private async Task WriteAsync(SinkRow next, AuditRecordDraft record)
    {
        SinkRow? written = null;
        await store.CommitAsync(
            record, async transaction => written = await next.WriteAsync(transaction, rows) ?? throw new OvertakenException(), CancellationToken.None);
        _row = written!;
    }

    private sealed class OvertakenException() : Exception("The sink's row is not at the revision that this server wrote.");

    [LoggerMessage(5030, LogLevel.Warning, "The sink {Sink} takes no records: {Why} It is tried again; nothing is lost")]
    private static partial void SinkFailed(ILogger logger, string sink, string why, Exception exception);
}
