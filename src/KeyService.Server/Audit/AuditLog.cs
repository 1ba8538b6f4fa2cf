using Dapper;
using KeyService.Crypto.Logs;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>One row of a log: its number, the canonical record, the leaf hash beside it. Nothing of it is verified yet.</summary>
internal sealed record AuditLogEntry(long Sequence, byte[] Record, byte[] LeafHash);

/// <summary>Reading the log of a slot, oldest first: of the one that this server writes, or of one that stays the same.</summary>
/// <param name="slot">Null for the slot that the server writes, which changes when its session is lost and another server took the slot.</param>
internal sealed class AuditLog(IStore store, int? slot = null)
{
    /// <summary>Rows a read; about 300 KB, so that no reading connection is held for long.</summary>
    public const int PageSize = 1000;

    private const int HashPageSize = 10_000;

    public int Slot => slot ?? store.Slot;

    /// <summary>-1 when the log is empty.</summary>
    /// <exception cref="StoreUnavailableException">The server writes another slot than this one.</exception>
    public long LastSequence
    {
        get
        {
            var last = store.LastSequence;
            return Slot == store.Slot
                ? last
                : throw new StoreUnavailableException("The server writes another log slot since it lost its database session; begin again.");
        }
    }

    /// <summary>The log of the slot that the server writes now, and of that one only.</summary>
    public AuditLog Pin() => new(store, Slot);

    /// <summary>Every slot that holds records, ascending.</summary>
    public static Task<List<int>> ReadSlotsAsync(IStore store, CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            // One look into the index for each slot; a DISTINCT would read every record.
            var slots = (await connection.QueryAsync<long>("SELECT slot FROM audit_slots")).ToHashSet();
            for (var after = -1L; await connection.ExecuteScalarAsync<long?>("SELECT min(slot) FROM audit_records WHERE slot > @after", new { after }) is { } slot;)
            {
                slots.Add(slot);
                after = slot;
            }

            return slots.Order().Select(each => (int)each).ToList();
        },
        cancellationToken);

    /// <summary>Up to <see cref="PageSize"/> entries from <paramref name="from"/> to <paramref name="last"/>, both included.</summary>
    public Task<List<AuditLogEntry>> ReadAsync(long from, long last, CancellationToken cancellationToken) => store.ReadAsync(
        async connection => (await connection.QueryAsync<AuditLogEntry>(
            """
            SELECT sequence AS Sequence, record AS Record, leaf_hash AS LeafHash FROM audit_records
            WHERE slot = @slot AND sequence BETWEEN @from AND @last ORDER BY sequence LIMIT @limit
            """,
            new { slot = (long)Slot, from, last, limit = PageSize })).AsList(),
        cancellationToken);

    /// <summary>The tree of the records up to <paramref name="last"/>, grown from one that covers their beginning by the leaf hashes beside them.</summary>
    /// <exception cref="StoreTamperedException">A record is missing.</exception>
    public async Task<MerkleFrontier> ExtendAsync(MerkleFrontier from, long last, CancellationToken cancellationToken)
    {
        var frontier = from.Copy();
        while (frontier.Size <= last)
        {
            foreach (var leafHash in await ReadLeafHashesAsync(frontier.Size, last, cancellationToken))
            {
                frontier.Append(leafHash);
            }
        }

        return frontier;
    }

    /// <summary>The leaf hashes beside the records from one on, in order: a page, one at least.</summary>
    /// <exception cref="StoreTamperedException">A record is missing.</exception>
    public async Task<IReadOnlyList<byte[]>> ReadLeafHashesAsync(long from, long last, CancellationToken cancellationToken)
    {
        var page = await store.ReadAsync(
            async connection => (await connection.QueryAsync<(long Sequence, byte[] LeafHash)>(
                """
                SELECT sequence, leaf_hash FROM audit_records WHERE slot = @slot AND sequence BETWEEN @from AND @last ORDER BY sequence LIMIT @limit
                """,
                new { slot = (long)Slot, from, last, limit = HashPageSize })).AsList(),
            cancellationToken);
        var gap = page.FindIndex(row => row.Sequence != from++);
        return gap < 0 && page.Count > 0 ? [.. page.Select(row => row.LeafHash)] : throw Missing(gap < 0 ? from : from - 1);
    }

    /// <summary>The last sequence number that the store holds now, also beside the server that writes it; -1 when the log is empty.</summary>
    public Task<long> ReadLastSequenceAsync(CancellationToken cancellationToken) => store.ReadAsync(
        connection => connection.ExecuteScalarAsync<long>(
            "SELECT coalesce(max(sequence), -1) FROM audit_records WHERE slot = @slot", new { slot = (long)Slot }),
        cancellationToken);

    /// <summary>Completes with the last sequence number when that is greater than <paramref name="sequence"/>; woken by commits.</summary>
    public ValueTask<long> WaitForMoreAsync(long sequence, CancellationToken cancellationToken) => store.WaitForRecordAsync(sequence, cancellationToken);

    private StoreTamperedException Missing(long sequence) => new("audit_records", $"{Slot}/{sequence}", "the record is missing");
}
