using KeyService.Server.Audit.Retention;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit.Search;

/// <summary>A page of hits, the latest first, and where the next page goes on: for each slot that is not at its end the number below which nothing was looked at yet.</summary>
internal sealed record AuditPage(IReadOnlyList<LoggedRecord> Hits, IReadOnlyDictionary<int, long> Below)
{
    public bool IsLast => Below.Count == 0;
}

/// <summary>
/// Looks for records over all slots, the latest first: by the time in the records, of equal ones the higher slot first. A page may be short,
/// even empty, before the last: no call reads more than it may.
/// </summary>
internal sealed class AuditSearch(IStore store, RowAuthenticator rows)
{
    /// <summary>Rows of the log that one page reads at most, but for the last step.</summary>
    public const int RecordsAPage = 100_000;

    /// <summary>Looks into the index, of 64 segments each.</summary>
    public const int LooksAPage = 200;

    /// <param name="below">Where the page before ended; null for the first.</param>
    public async Task<AuditPage> PageAsync(AuditQuery query, IReadOnlyDictionary<int, long>? below, int size, CancellationToken cancellationToken)
    {
        var walks = new List<SlotWalk>();
        foreach (var (slot, end) in below ?? await EndsAsync(cancellationToken))
        {
            var start = await store.ReadAsync(connection => AuditRetention.ReadStartAsync(connection, rows, slot, cancellationToken), cancellationToken);
            walks.Add(new SlotWalk(store, query, slot, start.Size, end));
        }

        var budget = new SearchBudget(RecordsAPage, LooksAPage);
        var hits = new List<LoggedRecord>();
        while (hits.Count < size)
        {
            foreach (var walk in walks)
            {
                await walk.FillAsync(budget, cancellationToken);
            }

            // Which one is the latest is known only when every slot shows its own.
            if (walks.Exists(walk => walk.Next is null && !walk.IsAtItsEnd)
                || walks.Where(walk => walk.Next is not null).MaxBy(walk => (walk.Next!.Record.TimeUnixNanoseconds, walk.Slot)) is not { } latest)
            {
                break;
            }

            hits.Add(latest.Take());
        }

        return new AuditPage(hits, walks.Where(walk => !walk.IsAtItsEnd).ToDictionary(walk => walk.Slot, walk => walk.Below));
    }

    private async Task<Dictionary<int, long>> EndsAsync(CancellationToken cancellationToken)
    {
        var ends = new Dictionary<int, long>();
        foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellationToken))
        {
            ends.Add(slot, await new AuditLog(store, slot).ReadLastSequenceAsync(cancellationToken) + 1);
        }

        return ends;
    }
}
