using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit.Search;

/// <summary>
/// Extends the index by each segment that the server's own log has filled. No call waits for it: what is not in the index yet is looked at
/// record by record. What cannot be written now is written later.
/// </summary>
internal sealed partial class AuditIndexer(AuditLog current, IStore store, TimeProvider time, ILogger<AuditIndexer> logger) : BackgroundService
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var log = current.Pin();
                var segment = await store.ReadAsync(connection => AuditIndex.CountAsync(connection, log.Slot), stoppingToken);
                await log.WaitForMoreAsync(((segment + 1) * AuditIndex.SegmentSize) - 2, stoppingToken);
                await ExtendAsync(log, segment, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                Failed(logger, e);
                await Task.Delay(Retry, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Indexes every whole segment of the server's log.</summary>
    public async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        var log = current.Pin();
        var segment = await store.ReadAsync(connection => AuditIndex.CountAsync(connection, log.Slot), cancellationToken);
        for (; ((segment + 1) * AuditIndex.SegmentSize) - 1 <= log.LastSequence; segment++)
        {
            await ExtendAsync(log, segment, cancellationToken);
        }
    }

    private async Task ExtendAsync(AuditLog log, long segment, CancellationToken cancellationToken)
    {
        // Between the wait and here the session may have been lost and another slot taken; that one's log is another.
        if (log.LastSequence < ((segment + 1) * AuditIndex.SegmentSize) - 1)
        {
            return;
        }

        var records = await ReadAsync(log, segment, cancellationToken);
        foreach (var part in AuditIndex.TermsOf(records).Chunk(AuditIndex.RowsAtOnce))
        {
            await CommitAsync(log, segment, transaction => AuditIndex.InsertTermsAsync(transaction, log.Slot, segment, part));
        }

        await CommitAsync(log, segment, transaction => AuditIndex.InsertSegmentAsync(
            transaction, log.Slot,
            new AuditSegment(segment, records.Min(record => record.TimeUnixNanoseconds), records.Max(record => record.TimeUnixNanoseconds))));
    }

    private Task<CommitReceipt> CommitAsync(AuditLog log, long segment, Func<IStoreTransaction, Task> change) => store.CommitAsync(
        new AuditRecordDraft(AuditEvent.AuditIndexExtended) { Automated = true, Detail = $"slot {log.Slot}, segment {segment}" },
        transaction => transaction.Slot == log.Slot
            ? change(transaction)
            : throw new StoreUnavailableException($"The server writes log slot {transaction.Slot} and no longer {log.Slot}."),
        CancellationToken.None);

    private static async Task<List<AuditRecord>> ReadAsync(AuditLog log, long segment, CancellationToken cancellationToken)
    {
        var records = new List<AuditRecord>(AuditIndex.SegmentSize);
        var first = segment * AuditIndex.SegmentSize;
        while (records.Count < AuditIndex.SegmentSize)
        {
            var next = first + records.Count;
            var page = await log.ReadAsync(next, first + AuditIndex.SegmentSize - 1, cancellationToken);
            if (page.Count == 0)
            {
                throw new StoreTamperedException("audit_records", $"{log.Slot}/{next}", "the record is missing");
            }

            foreach (var entry in page)
            {
                records.Add(LoggedRecord.Of(log.Slot, entry, first + records.Count).Record);
            }
        }

        return records;
    }

    [LoggerMessage(5010, LogLevel.Warning, "The index of the audit log could not be extended; it is tried again")]
    private static partial void Failed(ILogger logger, Exception exception);
}
