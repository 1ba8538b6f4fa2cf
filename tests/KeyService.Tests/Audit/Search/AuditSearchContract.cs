using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Search;
using KeyService.Server.Storage;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Audit.Search;

/// <summary>
/// What a search finds, held against a look at every record, on whatever store: a log of two whole segments and a part, of which the index has
/// none, one, or both.
/// </summary>
public static class AuditSearchContract
{
    private const int Records = (2 * AuditIndex.SegmentSize) + 2000;

    private static readonly AuditEvent[] Events = [AuditEvent.DataKeyGenerated, AuditEvent.FieldsDecrypted, AuditEvent.KeyRotated];

    internal static async Task FillAsync(IStore store)
    {
        for (var next = 0; next < Records;)
        {
            var group = Enumerable.Range(next, Math.Min(1000, Records - next)).Select(n => store.CommitAsync(Draft(n), null, CancellationToken.None)).ToList();
            await Task.WhenAll(group);
            next += group.Count;
        }
    }

    /// <summary>Every question, with pages of several sizes, against the truth.</summary>
    internal static async Task CheckAsync(IStore store)
    {
        var truth = await EverythingAsync(store);
        var middle = truth[truth.Count / 2].Record.TimeUnixNanoseconds;
        AuditQuery[] questions =
        [
            Ask(principal: "ehr-1"),
            Ask(principal: "ehr-1", key: "ehr/notes-3"),
            Ask(key: "ehr/rare"),
            Ask(events: [AuditEvent.KeyRotated]),
            Ask(events: [AuditEvent.KeyRotated, AuditEvent.FieldsDecrypted], outcome: AuditOutcome.Refused),
            Ask(outcome: AuditOutcome.Success, key: "ehr/notes-3", until: middle),
            Ask(from: middle, until: middle + 1),
            Ask(from: middle - 3_000_000_000, until: middle + 2_000_000_000),
            Ask(contextDigest: RareContext, principal: "ehr-1"),
            Ask(contextDigest: RareContext, from: middle),
            Ask(principal: "nobody"),
            Ask(),
        ];
        foreach (var question in questions)
        {
            var expected = truth.Where(record => question.Matches(record.Record)).Select(record => (record.Slot, record.Entry.Sequence)).ToList();
            foreach (var size in expected.Count > 2000 ? new[] { 1000 } : [7, 1000])
            {
                Assert.Equal(expected, await AnsweredAsync(store, question, size));
            }
        }
    }

    internal static async Task IndexAsync(IStore store, TimeProvider time)
    {
        using var indexer = new AuditIndexer(new AuditLog(store), store, time, NullLogger<AuditIndexer>.Instance);
        await indexer.CatchUpAsync(CancellationToken.None);
    }

    internal static AuditQuery Ask(
        string? principal = null, string? key = null, IReadOnlyList<AuditEvent>? events = null, AuditOutcome? outcome = null,
        long from = long.MinValue, long until = long.MaxValue, byte[]? contextDigest = null) =>
        new(principal, key, events ?? [], outcome, contextDigest, from, until);

    internal static async Task<List<(int Slot, long Sequence)>> AnsweredAsync(IStore store, AuditQuery question, int size)
    {
        var search = new AuditSearch(store, SoftwareRows.Of());
        var answered = new List<(int, long)>();
        AuditPage? page = null;
        do
        {
            page = await search.PageAsync(question, page?.Below, size, CancellationToken.None);
            Assert.True(page.Hits.Count <= size);
            answered.AddRange(page.Hits.Select(hit => (hit.Slot, hit.Entry.Sequence)));
        }
        while (!page.IsLast);
        return answered;
    }

    private static async Task<List<LoggedRecord>> EverythingAsync(IStore store)
    {
        var records = new List<LoggedRecord>();
        foreach (var slot in await AuditLog.ReadSlotsAsync(store, CancellationToken.None))
        {
            var log = new AuditLog(store, slot);
            var last = await log.ReadLastSequenceAsync(CancellationToken.None);
            for (var next = 0L; next <= last; next += AuditLog.PageSize)
            {
                records.AddRange((await log.ReadAsync(next, last, CancellationToken.None)).Select(entry => LoggedRecord.Of(slot, entry, entry.Sequence)));
            }
        }

        return [.. records.OrderByDescending(record => record.Record.TimeUnixNanoseconds).ThenByDescending(record => record.Slot).ThenByDescending(record => record.Entry.Sequence)];
    }

    private static readonly byte[] RareContext = [.. Enumerable.Repeat((byte)0xC0, 32)];

    private static AuditRecordDraft Draft(int n) => new(Events[n % 3])
    {
        Principal = $"ehr-{n % 5}",
        Key = n % 9973 == 17 ? "ehr/rare" : $"ehr/notes-{n % 7}",
        Outcome = n % 101 == 3 ? AuditOutcome.Refused : AuditOutcome.Success,
        ContextDigest = n % 997 == 5 ? RareContext : new byte[32],
        Detail = $"number {n}",
    };
}
