using System.Data.Common;
using Dapper;
using KeyService.Server.Storage;
using Npgsql;

namespace KeyService.Server.Audit.Search;

/// <summary>What one call may still do: rows of the log it may read, looks into the index.</summary>
internal sealed class SearchBudget(int records, int looks)
{
    private int _records = records;
    private int _looks = looks;

    public bool IsSpent => _records <= 0 || _looks <= 0;

    public void Look() => _looks--;

    public void Read(int records) => _records -= records;
}

/// <summary>
/// Through the log of one slot from its end towards its beginning: record by record where the index does not reach yet, by the index below.
/// </summary>
/// <param name="start">The first record of the log that is still there.</param>
/// <param name="below">Only records with lower numbers are looked at.</param>
internal sealed class SlotWalk(IStore store, AuditQuery query, int slot, long start, long below)
{
    private readonly AuditLog _log = new(store, slot);
    private readonly Queue<LoggedRecord> _hits = new();
    private long _below = below;
    private long? _segments;

    public int Slot => slot;

    /// <summary>Where a later walk goes on: everything from here on was answered or is no hit.</summary>
    public long Below => _hits.TryPeek(out var hit) ? hit.Entry.Sequence + 1 : _below;

    public bool IsAtItsEnd => _hits.Count == 0 && _below <= start;

    public LoggedRecord? Next => _hits.TryPeek(out var hit) ? hit : null;

    public LoggedRecord Take() => _hits.Dequeue();

    /// <summary>Looks until there is a hit, the log is at its end, or the budget is spent.</summary>
    /// <exception cref="StoreTamperedException">A record is missing or not what its hash says, or the index says what is not so.</exception>
    public async Task FillAsync(SearchBudget budget, CancellationToken cancellationToken)
    {
        _segments ??= await store.ReadAsync(connection => AuditIndex.CountAsync(connection, slot), cancellationToken);
        while (_hits.Count == 0 && _below > start && !budget.IsSpent)
        {
            if (_below > _segments * AuditIndex.SegmentSize)
            {
                await ScanAsync(Math.Max(Math.Max(_segments.Value * AuditIndex.SegmentSize, start), _below - AuditLog.PageSize), budget, cancellationToken);
            }
            else
            {
                await FollowIndexAsync(budget, cancellationToken);
            }
        }
    }

    private async Task ScanAsync(long from, SearchBudget budget, CancellationToken cancellationToken)
    {
        var page = await _log.ReadAsync(from, _below - 1, cancellationToken);
        budget.Read((int)(_below - from));
        if (page.Count != _below - from)
        {
            throw new StoreTamperedException("audit_records", $"{slot}/{from}", "a record is missing");
        }

        for (var i = page.Count - 1; i >= 0; i--)
        {
            var record = LoggedRecord.Of(slot, page[i], from + i);
            if (query.Matches(record.Record))
            {
                _hits.Enqueue(record);
            }
        }

        _below = from;
    }

    // The segment in which the walk stands is looked at up to there.
    private async Task FollowIndexAsync(SearchBudget budget, CancellationToken cancellationToken)
    {
        budget.Look();
        var candidates = await store.ReadAsync(CandidatesAsync, cancellationToken);
        foreach (var (segment, postings) in candidates)
        {
            var first = segment.Segment * AuditIndex.SegmentSize;
            foreach (var part in postings.Descending().Select(offset => first + offset).Where(sequence => sequence >= start && sequence < _below).Chunk(AuditLog.PageSize))
            {
                await TakeHitsAsync(segment, part, cancellationToken);
                budget.Read(part.Length);
                _below = part[^1];
                if (_hits.Count > 0 || budget.IsSpent)
                {
                    return;
                }
            }

            _below = Math.Max(Math.Min(_below, first), start);
        }

        if (candidates.Count == 0)
        {
            _below = start;
        }
    }

    private async Task<List<(AuditSegment Segment, Postings Postings)>> CandidatesAsync(DbConnection connection)
    {
        var end = (_below + AuditIndex.SegmentSize - 1) / AuditIndex.SegmentSize;
        IReadOnlyList<AuditTerm> leading = query.TermGroups.Count > 0 ? query.TermGroups[0] : [];
        var segments = await AuditIndex.SegmentsAsync(connection, slot, end, leading, query.From, query.Until);
        var candidates = segments.Select(segment => (segment, Postings: Postings.All())).ToList();
        foreach (var group in query.TermGroups)
        {
            var found = await AuditIndex.PostingsAsync(connection, slot, [.. candidates.Select(each => each.segment.Segment)], group);
            foreach (var (segment, postings) in candidates)
            {
                postings.And(found.GetValueOrDefault(segment.Segment) ?? new Postings());
            }
        }

        return candidates;
    }

    private async Task TakeHitsAsync(AuditSegment segment, long[] sequences, CancellationToken cancellationToken)
    {
        var entries = await store.ReadAsync(connection => ReadAsync(connection, segment, sequences), cancellationToken);
        foreach (var sequence in sequences)
        {
            if (!entries.TryGetValue(sequence, out var entry))
            {
                throw new StoreTamperedException("audit_records", $"{slot}/{sequence}", "the record is missing");
            }

            var record = LoggedRecord.Of(slot, entry, sequence);
            if (query.Matches(record.Record))
            {
                _hits.Enqueue(record);
            }
            else if (query.TermGroups.Count > 0 && !(query with { From = long.MinValue, Until = long.MaxValue, ContextDigest = null }).Matches(record.Record))
            {
                throw new StoreTamperedException("audit_terms", $"{slot}/{segment.Segment}", $"the index has record {sequence} under a term that it does not hold");
            }
        }
    }

    // The time lets PostgreSQL look into the one partition, or two, that the segment lies in.
    private async Task<Dictionary<long, AuditLogEntry>> ReadAsync(DbConnection connection, AuditSegment segment, long[] sequences)
    {
        var within = connection is NpgsqlConnection ? "AND recorded_at BETWEEN @FirstAt AND @LastAt" : "";
        return (await connection.QueryAsync<AuditLogEntry>(
            $"""
             SELECT sequence AS Sequence, record AS Record, leaf_hash AS LeafHash FROM audit_records
             WHERE slot = @slot AND sequence {Among.Values(connection, "sequences")} {within}
             """,
            new { slot = (long)slot, sequences, segment.FirstAt, segment.LastAt })).ToDictionary(entry => entry.Sequence);
    }
}
