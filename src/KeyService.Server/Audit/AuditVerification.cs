using System.Runtime.CompilerServices;
using KeyService.Crypto;
using KeyService.Crypto.Logs;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>Something wrong with a log. <paramref name="Sequence"/> is where it begins.</summary>
internal sealed record AuditFinding(long Sequence, string Finding);

/// <summary>What a walk over a log found.</summary>
/// <param name="Records">Rows seen.</param>
/// <param name="Root">RFC 6962 root over the leaf hashes seen, 32 bytes.</param>
/// <param name="MarkedSize">Records that the last mark covers; what comes after them could have been rewritten by whoever can write the
/// database.</param>
/// <param name="Findings">At most <see cref="AuditVerification.MaxFindings"/>; empty when the log is whole.</param>
internal sealed record AuditReport(int Slot, long Records, byte[] Root, long MarkedSize, IReadOnlyList<AuditFinding> Findings);

/// <summary>
/// Walks the whole log: sequence without gaps, each leaf hash that of its record, each record canonical and in its own place, everything
/// below the last mark as it was marked. For <c>doctor</c> and the scrub; reads while the service writes, up to where the log stood at the beginning.
/// </summary>
/// <param name="seen">The right edge of the part that was walked before; the walk goes on behind it.</param>
internal sealed class AuditVerification(AuditLog log, IStore store, RowAuthenticator rows, MerkleFrontier? seen = null)
{
    public const int MaxFindings = 100;

    private readonly List<AuditFinding> _findings = [];
    private MerkleFrontier _seen = seen?.Copy() ?? new MerkleFrontier();

    /// <summary>The right edge of what was walked.</summary>
    public MerkleFrontier Seen => _seen;

    /// <param name="each">Gets every record that parses, with its sequence number.</param>
    public async Task<AuditReport> RunAsync(CancellationToken cancellationToken, Action<long, AuditRecord>? each = null)
    {
        // The mark first: records that come in between only lengthen the log.
        var mark = await ReadMarkAsync(cancellationToken);
        var last = await log.ReadLastSequenceAsync(cancellationToken);
        var start = await ReadStartAsync(cancellationToken);
        if (start.Size > _seen.Size)
        {
            _seen = start;
        }

        // A slot that nobody has written for longer than records are kept has none.
        last = last < 0 ? start.Size - 1 : last;
        var expected = _seen.Size;
        if (mark.Frontier.Size == expected)
        {
            CompareWithMark(mark);
        }

        if (last + 1 < expected)
        {
            Add(last + 1, $"the log ends before record {expected - 1}, which stood there at the last scrub: it was cut");
        }

        await foreach (var page in PagesAsync(expected, last, cancellationToken))
        {
            foreach (var entry in page)
            {
                Check(entry, expected, each);
                _seen.Append(entry.LeafHash);
                expected = entry.Sequence + 1;
                if (expected == mark.Frontier.Size)
                {
                    CompareWithMark(mark);
                }
            }

            if (_findings.Count >= MaxFindings)
            {
                break;
            }
        }

        if (expected <= last && _findings.Count < MaxFindings)
        {
            Add(expected, $"{last - expected + 1} records are missing");
        }

        if (last + 1 < mark.Frontier.Size)
        {
            Add(last + 1, $"the log ends before record {mark.Frontier.Size - 1}, which stood on {mark.Time:u}: it was cut");
        }

        return new AuditReport(log.Slot, _seen.Size, _seen.Root(), mark.Frontier.Size, _findings);
    }

    // The next page is on its way while this one is checked. Ends before last when the rest is missing.
    private async IAsyncEnumerable<List<AuditLogEntry>> PagesAsync(
        long from, long last, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var next = from <= last ? log.ReadAsync(from, last, cancellationToken) : null;
        try
        {
            while (next is not null && await next is { Count: > 0 } page)
            {
                var after = page[^1].Sequence + 1;
                next = after <= last ? log.ReadAsync(after, last, cancellationToken) : null;
                yield return page;
            }
        }
        finally
        {
            // Whoever stops early leaves no read behind that nobody waits for.
            await (next ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Check(AuditLogEntry entry, long expected, Action<long, AuditRecord>? each)
    {
        if (entry.Sequence != expected)
        {
            Add(expected, $"{entry.Sequence - expected} records are missing");
        }

        if (!AuditRecord.LeafHash(entry.Record).AsSpan().SequenceEqual(entry.LeafHash))
        {
            Add(entry.Sequence, "the record is not the one that its leaf hash was made of");
        }

        if (!AuditRecord.TryParse(entry.Record, out var record))
        {
            Add(entry.Sequence, "the record is not in canonical form");
        }
        else if (record!.Sequence != (ulong)entry.Sequence || record.Slot != (uint)log.Slot)
        {
            Add(entry.Sequence, $"the record says of itself that it is number {record.Sequence} of slot {record.Slot}");
        }
        else if (Enum.IsDefined((AuditEvent)record.EventId) && record.Type != AuditEvents.TypeOf((AuditEvent)record.EventId))
        {
            Add(entry.Sequence, $"event {record.EventId} is not of type {record.Type}");
        }
        else
        {
            each?.Invoke(entry.Sequence, record);
        }
    }

    private void CompareWithMark(AuditMark mark)
    {
        if (_seen.Size != mark.Frontier.Size || !_seen.ToArray().AsSpan().SequenceEqual(mark.Frontier.ToArray()))
        {
            Add(0, $"the first {mark.Frontier.Size} records are not those that stood on {mark.Time:u}");
        }
    }

    // Records whose years of retention are over may be gone: the walk begins behind them, with the tree that they had.
    private async Task<MerkleFrontier> ReadStartAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await store.ReadAsync(connection => AuditRetention.ReadStartAsync(connection, rows, log.Slot, cancellationToken), cancellationToken);
        }
        catch (StoreTamperedException e)
        {
            Add(0, e.Message);
            return new MerkleFrontier();
        }
    }

    private async Task<AuditMark> ReadMarkAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await store.ReadAsync(connection => AuditMark.ReadAsync(connection, rows, log.Slot, cancellationToken), cancellationToken)
                ?? Unmarked();
        }
        catch (StoreTamperedException e)
        {
            Add(0, e.Message);
            return Unmarked();
        }
    }

    private AuditMark Unmarked() => new(log.Slot, new MerkleFrontier(), DateTimeOffset.UnixEpoch, 0);

    private void Add(long sequence, string finding)
    {
        if (_findings.Count < MaxFindings)
        {
            _findings.Add(new AuditFinding(sequence, finding));
        }
    }
}
