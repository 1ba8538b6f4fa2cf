using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>
/// Puts every deciding row on record, once, in a store that is older than the log's knowledge of rows (field 24 of the audit record). A store that was
/// made since has its first row on record in its first record, and needs none of this.
/// </summary>
/// <param name="directory">The scrub's.</param>
internal sealed class StoreAccount(IStore store, RowAuthenticator rows, IReadOnlyList<DecidingTable> tables, string directory)
{
    /// <summary>Bytes of changed rows in one record: a page of the log stays small.</summary>
    private const int RecordBytes = 16 * 1024;

    private const string Complete = "complete: from here the log knows every row";

    /// <summary>Whether from this record on the log knows every row.</summary>
    public static bool Begins(AuditRecord record) => (AuditEvent)record.EventId switch
    {
        AuditEvent.InstallationCreated or AuditEvent.RestoreBegun => record.Changes.Count > 0,
        AuditEvent.StoreAccountTaken => record.Detail == Complete,
        _ => false,
    };

    /// <summary>Takes the account if the log has none.</summary>
    /// <returns>Rows put on record; 0 when the log knew them.</returns>
    public async Task<long> TakeOnceAsync(CancellationToken cancellationToken)
    {
        if (await HasBegunAsync(cancellationToken))
        {
            return 0;
        }

        return await TakeAsync(cancellationToken);
    }

    /// <summary>Takes the account, whether the log has one or not: records before it may then go.</summary>
    /// <returns>Rows put on record.</returns>
    public async Task<long> TakeAsync(CancellationToken cancellationToken)
    {
        var count = 0L;
        foreach (var table in tables)
        {
            cancellationToken.ThrowIfCancellationRequested();
            count += await TakeAsync(table);
        }

        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.StoreAccountTaken) { Automated = true, ItemCount = count, Detail = Complete }, null, CancellationToken.None);
        return count;
    }

    // The first record says it, or the last scrub knows it; else the whole log is searched, the newest first.
    private async Task<bool> HasBegunAsync(CancellationToken cancellationToken)
    {
        foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellationToken))
        {
            var log = new AuditLog(store, slot);
            var first = await log.ReadAsync(0, 0, cancellationToken);
            if (first.Exists(IsBeginning))
            {
                return true;
            }
        }

        if ((await RowAccount.ReadAsync(directory, rows, cancellationToken)).HasBegun)
        {
            return true;
        }

        foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellationToken))
        {
            var log = new AuditLog(store, slot);
            for (var last = await log.ReadLastSequenceAsync(cancellationToken); last >= 0; last -= AuditLog.PageSize)
            {
                if ((await log.ReadAsync(Math.Max(0, last - AuditLog.PageSize + 1), last, cancellationToken)).Exists(IsBeginning))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static bool IsBeginning(AuditLogEntry entry) => AuditRecord.TryParse(entry.Record, out var record) && Begins(record!);

    // A row that changes between the read and the record is on record with its later revision, which counts.
    private async Task<long> TakeAsync(DecidingTable table)
    {
        var pages = table.Read();
        var count = 0L;
        while (true)
        {
            var page = await store.ReadAsync(connection => pages.NextAsync(connection, transaction: null), CancellationToken.None);
            if (page.Count == 0)
            {
                return count;
            }

            var record = NewRecord(table);
            var room = RecordBytes;
            foreach (var row in page)
            {
                var change = new RowChange(table.Name, row.RowId, row.Revision, SHA256.HashData(row.Canonical));
                var length = AuditRecord.LengthOf(new AuditRowChange(change.Table, change.RowId, change.Revision, change.Digest));
                if (length > room)
                {
                    await store.CommitAsync(record, null, CancellationToken.None);
                    record = NewRecord(table);
                    room = RecordBytes;
                }

                record.AddChange(change);
                record.ItemCount++;
                room -= length;
            }

            await store.CommitAsync(record, null, CancellationToken.None);
            count += page.Count;
        }
    }

    private static AuditRecordDraft NewRecord(DecidingTable table) =>
        new(AuditEvent.StoreAccountTaken) { Automated = true, Detail = $"rows of {table.Name}" };
}
