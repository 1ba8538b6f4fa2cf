using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Audit.Search;
using KeyService.Server.Audit.Sinks;
using KeyService.Server.Storage;

namespace KeyService.Server.Detection;

/// <summary>
/// Looks through the log of every slot, in the order of each, and keeps what it finds. Findings, what the rules remember and how far it looked
/// are written in one change: a server that dies neither loses a finding nor makes one twice. Not thread safe.
/// </summary>
internal sealed class DetectionFollower(DetectionConfiguration configuration, IStore store, RowAuthenticator rows, FindingTable table, TimeProvider time)
{
    /// <summary>Findings of one change at most: other commits of the server wait for it.</summary>
    private const int FindingsAtOnce = 50;

    /// <summary>Records of a slot that are learned from when detection begins: years of them would be read for days.</summary>
    private const long MostLearned = 1_000_000;

    private const long RecordsAtMost = 10_000;

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(60);

    private DetectionRow? _row;
    private Dictionary<int, long> _next = [];
    private readonly List<FindingRow> _found = [];
    private long _unwritten;
    private DateTimeOffset? _mattersSince;

    /// <summary>When detection began; null before the first look.</summary>
    public DateTimeOffset? BeganAt => _row?.BeganAt;

    /// <summary>Looks at a page of each slot, and writes what is to be written.</summary>
    /// <returns>There is more to look at now.</returns>
    /// <exception cref="StoreTamperedException">A record is not what its hash says, or the rules' memory was changed.</exception>
    public async Task<bool> StepAsync(CancellationToken cancellationToken)
    {
        try
        {
            var row = await LoadAsync(cancellationToken);
            var more = false;
            foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellationToken))
            {
                more |= await LookAsync(row, slot, cancellationToken);
            }

            if (_found.Count > 0 || _unwritten >= RecordsAtMost || (_mattersSince is { } since && time.GetUtcNow() - since >= Every))
            {
                await WriteAsync(row);
            }

            return more;
        }
        catch
        {
            // What is in memory may be ahead of the row, or behind it: the row says where to begin.
            Forget();
            throw;
        }
    }

    /// <summary>Writes how far it looked, when the server stops.</summary>
    public async Task FinishAsync()
    {
        if (_row is { } row && _mattersSince is not null)
        {
            await WriteAsync(row);
        }
    }

    private async Task<DetectionRow> LoadAsync(CancellationToken cancellationToken)
    {
        if (_row is { } known)
        {
            return known;
        }

        var row = await store.ReadAsync(connection => DetectionRow.ReadAsync(connection, rows, cancellationToken), cancellationToken);
        if (row is null)
        {
            var next = new Dictionary<int, long>();
            foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellationToken))
            {
                var start = await store.ReadAsync(connection => AuditRetention.ReadStartAsync(connection, rows, slot, cancellationToken), cancellationToken);
                next[slot] = Math.Max(start.Size, await new AuditLog(store, slot).ReadLastSequenceAsync(cancellationToken) + 1 - MostLearned);
            }

            row = new DetectionRow(next, new DetectionState(), time.GetUtcNow(), 0);
            _mattersSince = row.BeganAt - Every;
        }

        _next = new Dictionary<int, long>(row.Next);
        return _row = row;
    }

    private async Task<bool> LookAsync(DetectionRow row, int slot, CancellationToken cancellationToken)
    {
        var next = _next.GetValueOrDefault(slot);
        var page = await new AuditLog(store, slot).ReadAsync(next, long.MaxValue, cancellationToken);
        foreach (var entry in page)
        {
            if (_found.Count >= FindingsAtOnce)
            {
                return true;
            }

            Take(row, slot, LoggedRecord.Of(slot, entry, next).Record);
            _next[slot] = ++next;
            _unwritten++;
        }

        return page.Count == AuditLog.PageSize;
    }

    private void Take(DetectionRow row, int slot, AuditRecord record)
    {
        if (!Housekeeping.Is(record.EventId))
        {
            _mattersSince ??= time.GetUtcNow();
        }

        foreach (var hit in row.State.Apply(configuration, record))
        {
            if (UnixTime.FromNanoseconds(record.TimeUnixNanoseconds) >= row.BeganAt)
            {
                _found.Add(FindingRow.New(hit, slot, record, configuration.Calendar, time.GetUtcNow()));
            }
        }
    }

    private async Task WriteAsync(DetectionRow row)
    {
        var next = row with { Next = _next };
        DetectionRow? written = null;
        await store.CommitAsync(
            new AuditRecordDraft(_found.Count > 0 ? AuditEvent.FindingsMade : AuditEvent.DetectionAdvanced)
            {
                Automated = true,
                ItemCount = _found.Count > 0 ? _found.Count : _unwritten,
                Detail = string.Join(", ", _found.Select(found => $"{found.IdText} {DetectionRules.NameOf(found.RuleKind)} {found.Slot}/{found.Sequence}")),
            },
            async transaction =>
            {
                written = await next.WriteAsync(transaction, rows)
                    ?? throw new StoreUnavailableException("Another server looked through the log meanwhile; begin where it ended.");
                foreach (var found in _found)
                {
                    await table.InsertAsync(transaction, found);
                }
            },
            CancellationToken.None);
        _row = written;
        _found.Clear();
        (_unwritten, _mattersSince) = (0, null);
    }

    private void Forget()
    {
        _row = null;
        _found.Clear();
        (_unwritten, _mattersSince) = (0, null);
    }
}
