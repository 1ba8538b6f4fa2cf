using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using Npgsql;

namespace KeyService.Server.Audit.Search;

/// <summary>Where a segment lies in time: of its records the earliest and the latest, Unix nanoseconds.</summary>
internal sealed record AuditSegment(long Segment, long FirstAt, long LastAt);

/// <summary>
/// SQL of the index over the log: for each whole segment of a slot the terms of its records, and for each term which records have it. Derived
/// from the log, written once, neither MACed nor hashed: it says where to look, and what is found there is held against its leaf hash
/// (docs/spec/audit-index.md, ADR 0250).
/// </summary>
internal static class AuditIndex
{
    /// <summary>Records of a segment.</summary>
    public const int SegmentSize = 16_384;

    /// <summary>Segments that one look into the index answers at most.</summary>
    public const int SegmentsAtOnce = 64;

    /// <summary>Rows that one transaction writes at most: other commits of the server wait for it.</summary>
    public const int RowsAtOnce = 1000;

    /// <summary>How many segments of a slot the index has; they are its first ones.</summary>
    public static Task<long> CountAsync(DbConnection connection, int slot) => connection.ExecuteScalarAsync<long>(
        "SELECT coalesce(max(segment), -1) + 1 FROM audit_segments WHERE slot = @slot", new { slot = (long)slot });

    /// <summary>The terms of a segment; <paramref name="records"/> has all of its records, in order.</summary>
    public static IReadOnlyDictionary<AuditTerm, Postings> TermsOf(IEnumerable<AuditRecord> records)
    {
        var terms = new Dictionary<AuditTerm, Postings>();
        foreach (var (offset, record) in records.Index())
        {
            foreach (var term in AuditTerm.OfRecord(record))
            {
                if (!terms.TryGetValue(term, out var postings))
                {
                    terms.Add(term, postings = new Postings());
                }

                postings.Add(offset);
            }
        }

        return terms;
    }

    /// <summary>A part of a segment's terms; rows that stand already, from an attempt that did not end, stay.</summary>
    public static Task InsertTermsAsync(IStoreTransaction transaction, int slot, long segment, IReadOnlyCollection<KeyValuePair<AuditTerm, Postings>> terms)
    {
        const string into = "INSERT INTO audit_terms (kind, term, slot, segment, postings)";
        return transaction.Connection is NpgsqlConnection
            ? transaction.Connection.ExecuteAsync(
                $"{into} SELECT kind, term, @slot, @segment, postings FROM unnest(@kinds, @texts, @postings) AS t (kind, term, postings) ON CONFLICT DO NOTHING",
                new
                {
                    slot = (long)slot,
                    segment,
                    kinds = terms.Select(term => (long)term.Key.Kind).ToArray(),
                    texts = terms.Select(term => term.Key.Text).ToArray(),
                    postings = terms.Select(term => term.Value.Encode()).ToArray(),
                },
                transaction.Transaction)
            : transaction.Connection.ExecuteAsync(
                $"{into} VALUES (@kind, @text, @slot, @segment, @postings) ON CONFLICT DO NOTHING",
                terms.Select(term => new { kind = (long)term.Key.Kind, text = term.Key.Text, slot = (long)slot, segment, postings = term.Value.Encode() }),
                transaction.Transaction);
    }

    /// <summary>Says that a segment is complete; from here on it counts.</summary>
    public static Task InsertSegmentAsync(IStoreTransaction transaction, int slot, AuditSegment segment) => transaction.Connection.ExecuteAsync(
        "INSERT INTO audit_segments (slot, segment, first_at, last_at) VALUES (@slot, @Segment, @FirstAt, @LastAt)",
        new { slot = (long)slot, segment.Segment, segment.FirstAt, segment.LastAt }, transaction.Transaction);

    /// <summary>
    /// The last <see cref="SegmentsAtOnce"/> segments below <paramref name="below"/> that hold one of the terms (any segment when there is none)
    /// and touch the time, the last one first.
    /// </summary>
    public static async Task<List<AuditSegment>> SegmentsAsync(
        DbConnection connection, int slot, long below, IReadOnlyList<AuditTerm> anyOf, long from, long until)
    {
        var holdsOne = anyOf.Count == 0
            ? ""
            : $"""
               AND EXISTS (SELECT 1 FROM audit_terms t
                   WHERE t.kind = @kind AND t.term {Among.Values(connection, "texts")} AND t.slot = s.slot AND t.segment = s.segment)
               """;
        return (await connection.QueryAsync<AuditSegment>(
            $"""
             SELECT s.segment AS Segment, s.first_at AS FirstAt, s.last_at AS LastAt FROM audit_segments s
             WHERE s.slot = @slot AND s.segment < @below AND s.first_at < @until AND s.last_at >= @from {holdsOne}
             ORDER BY s.segment DESC LIMIT {SegmentsAtOnce}
             """,
            new { slot = (long)slot, below, from, until, kind = anyOf.Count == 0 ? 0L : (long)anyOf[0].Kind, texts = anyOf.Select(term => term.Text).ToArray() }))
            .AsList();
    }

    /// <summary>For each of the segments which records have one of the terms, all of one kind.</summary>
    /// <exception cref="StoreTamperedException">The index holds what it never wrote.</exception>
    public static async Task<Dictionary<long, Postings>> PostingsAsync(
        DbConnection connection, int slot, IReadOnlyCollection<long> segments, IReadOnlyList<AuditTerm> anyOf)
    {
        var found = new Dictionary<long, Postings>();
        foreach (var (segment, encoded) in await connection.QueryAsync<(long, byte[])>(
            $"""
             SELECT segment, postings FROM audit_terms
             WHERE kind = @kind AND term {Among.Values(connection, "texts")} AND slot = @slot AND segment {Among.Values(connection, "segments")}
             """,
            new { kind = (long)anyOf[0].Kind, texts = anyOf.Select(term => term.Text).ToArray(), slot = (long)slot, segments = segments.ToArray() }))
        {
            if (!Postings.TryParse(encoded, out var postings))
            {
                throw new StoreTamperedException("audit_terms", $"{slot}/{segment}", "the index holds what it never wrote");
            }

            if (found.TryGetValue(segment, out var others))
            {
                others.Or(postings);
            }
            else
            {
                found.Add(segment, postings);
            }
        }

        return found;
    }
}
