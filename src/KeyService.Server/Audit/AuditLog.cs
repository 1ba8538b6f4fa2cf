using Dapper;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>One row of a log: its number, the canonical record, the leaf hash beside it. Nothing of it is verified yet.</summary>
internal sealed record AuditLogEntry(long Sequence, byte[] Record, byte[] LeafHash);

/// <summary>Reading the log of a slot, oldest first.</summary>
internal sealed class AuditLog(IStore store, int slot)
{
    /// <summary>The log that this server writes.</summary>
    public AuditLog(IStore store)
        : this(store, store.Slot)
    {
    }

    /// <summary>Rows a read; about 300 KB, so that no reading connection is held for long.</summary>
    public const int PageSize = 1000;

    public int Slot { get; } = slot;

    /// <summary>Of this server's own slot; -1 when the log is empty.</summary>
    public long LastSequence => store.LastSequence;

    /// <summary>Up to <see cref="PageSize"/> entries from <paramref name="from"/> to <paramref name="last"/>, both included.</summary>
    public Task<List<AuditLogEntry>> ReadAsync(long from, long last, CancellationToken cancellationToken) => store.ReadAsync(
        async connection => (await connection.QueryAsync<AuditLogEntry>(
            """
            SELECT sequence AS Sequence, record AS Record, leaf_hash AS LeafHash FROM audit_records
            WHERE slot = @slot AND sequence BETWEEN @from AND @last ORDER BY sequence LIMIT @limit
            """,
            new { slot = Slot, from, last, limit = PageSize })).AsList(),
        cancellationToken);

    /// <summary>The last sequence number that the store holds now, also beside the server that writes it; -1 when the log is empty.</summary>
    public Task<long> ReadLastSequenceAsync(CancellationToken cancellationToken) => store.ReadAsync(
        connection => connection.ExecuteScalarAsync<long>(
            "SELECT coalesce(max(sequence), -1) FROM audit_records WHERE slot = @slot", new { slot = Slot }),
        cancellationToken);

    /// <summary>The slots that hold records, in order.</summary>
    public static Task<List<int>> ReadSlotsAsync(IStore store, CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            // One look into the index for each slot; a DISTINCT would read every record.
            var slots = new List<int>();
            while (await connection.ExecuteScalarAsync<long?>(
                "SELECT min(slot) FROM audit_records WHERE slot > @after", new { after = slots.Count == 0 ? -1 : slots[^1] }) is { } slot)
            {
                slots.Add((int)slot);
            }

            return slots;
        },
        cancellationToken);

    /// <summary>Completes with the last sequence number when that is greater than <paramref name="sequence"/>; woken by commits.</summary>
    public ValueTask<long> WaitForMoreAsync(long sequence, CancellationToken cancellationToken) => store.WaitForRecordAsync(sequence, cancellationToken);
}
