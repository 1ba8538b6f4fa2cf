using System.Runtime.CompilerServices;
using Dapper;
using KeyService.Crypto.Logs;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit.Export;

/// <summary>
/// A log as it is taken out: up to one of its signed checkpoints, the bytes as they stand in the store. Whoever gets them verifies them;
/// nothing is left out or put right here.
/// </summary>
/// <param name="log">The slot, or <see cref="SignedLog.Directory"/>.</param>
internal sealed class LogExport(IStore store, int log)
{
    /// <summary>The checkpoint of a size, or for size 0 the newest that was made before a time; null when there is none.</summary>
    public Task<(long Size, byte[] Note)?> CheckpointAsync(long size, long beforeUnixNanoseconds, CancellationToken cancellationToken) => store.ReadAsync(
        async connection => (await connection.QueryAsync<(long, byte[])>(
            """
            SELECT size, note FROM audit_checkpoints
            WHERE log = @log AND size BETWEEN @least AND @most AND made_at < @before ORDER BY size DESC LIMIT 1
            """,
            new { log = (long)log, least = size, most = size == 0 ? long.MaxValue : size, before = beforeUnixNanoseconds }))
            .Select(row => ((long, byte[])?)row).FirstOrDefault(),
        cancellationToken);

    /// <summary>The first checkpoint that covers an entry; null when there is none.</summary>
    public Task<(long Size, byte[] Note)?> FirstCoveringAsync(long sequence, CancellationToken cancellationToken) => store.ReadAsync(
        async connection => (await connection.QueryAsync<(long, byte[])>(
            "SELECT size, note FROM audit_checkpoints WHERE log = @log AND size > @sequence ORDER BY size LIMIT 1", new { log = (long)log, sequence }))
            .Select(row => ((long, byte[])?)row).FirstOrDefault(),
        cancellationToken);

    /// <summary>The tree of the entries before a number.</summary>
    /// <param name="kept">The tree of the entries that are there no longer.</param>
    /// <exception cref="StoreTamperedException">An entry is missing.</exception>
    public Task<MerkleFrontier> BeforeAsync(long start, MerkleFrontier kept, CancellationToken cancellationToken) => log == SignedLog.Directory
        ? DirectoryLog.ExtendAsync(store, kept, start, cancellationToken)
        : new AuditLog(store, log).ExtendAsync(kept, start - 1, cancellationToken);

    /// <summary>Entries in order, a page of the store at a time.</summary>
    /// <exception cref="StoreTamperedException">An entry is missing.</exception>
    public async IAsyncEnumerable<IReadOnlyList<byte[]>> PagesAsync(long start, long end, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (start < end)
        {
            var page = await ReadAsync(start, end, cancellationToken);
            for (var i = 0; i < page.Count; i++)
            {
                if (page[i].Sequence != start + i)
                {
                    throw Missing(start + i);
                }
            }

            if (page.Count == 0)
            {
                throw Missing(start);
            }

            yield return [.. page.Select(entry => entry.Bytes)];
            start += page.Count;
        }
    }

    /// <summary>The leaf hashes of entries in order: of a slot's log those that stand beside the records.</summary>
    /// <exception cref="StoreTamperedException">An entry is missing.</exception>
    public async IAsyncEnumerable<IReadOnlyList<byte[]>> LeafHashesAsync(long start, long end, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (log == SignedLog.Directory)
        {
            await foreach (var page in PagesAsync(start, end, cancellationToken))
            {
                yield return [.. page.Select(entry => MerkleHash.Leaf(entry))];
            }
        }

        var hashes = new AuditLog(store, log);
        for (var next = start; log != SignedLog.Directory && next < end;)
        {
            var page = await hashes.ReadLeafHashesAsync(next, end - 1, cancellationToken);
            yield return page;
            next += page.Count;
        }
    }

    private async Task<List<(long Sequence, byte[] Bytes)>> ReadAsync(long start, long end, CancellationToken cancellationToken) => log == SignedLog.Directory
        ? [.. await store.ReadAsync(connection => DirectoryLog.ReadAsync(connection, start, end), cancellationToken)]
        : [.. (await new AuditLog(store, log).ReadAsync(start, end - 1, cancellationToken)).Select(entry => (entry.Sequence, entry.Record))];

    private StoreTamperedException Missing(long sequence) => log == SignedLog.Directory
        ? new StoreTamperedException("audit_directory", $"{sequence}", "the entry is missing")
        : new StoreTamperedException("audit_records", $"{log}/{sequence}", "the record is missing");
}
