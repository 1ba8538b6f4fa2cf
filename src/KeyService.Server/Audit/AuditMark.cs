using System.Data.Common;
using System.Globalization;
using Dapper;
using KeyService.Crypto;
using KeyService.Crypto.Logs;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>
/// How far a log reached at some time and what stood in it, MACed by the integrity key: cutting or editing the log below its last mark is
/// noticed, by length at start-up and by hash when the whole log is verified. Signed checkpoints for outsiders are another thing; this one
/// convinces only who holds the integrity key (ADR 0053).
/// </summary>
internal sealed record AuditMark(int Slot, MerkleFrontier Frontier, DateTimeOffset Time, long Revision)
{
    private const string Table = "audit_slots";

    /// <summary>The first mark of the slot that a change writes to, of an empty log.</summary>
    public static async Task<AuditMark> CreateAsync(IStoreTransaction transaction, RowAuthenticator rows)
    {
        var mark = new AuditMark(transaction.Slot, new MerkleFrontier(), transaction.Time, 1);
        await WriteAsync(transaction, rows, mark);
        await new RegisterState(rows).AddedAsync(transaction, Table);
        return mark;
    }

    /// <summary>The last mark of a slot, verified; null when the slot was never marked.</summary>
    /// <exception cref="StoreTamperedException">It is missing, changed or an older one.</exception>
    public static async Task<AuditMark?> ReadAsync(DbConnection connection, RowAuthenticator rows, int slot, CancellationToken cancellationToken)
    {
        var all = (await connection.QueryAsync<Row>(
            "SELECT slot AS Slot, marked_size AS MarkedSize, frontier AS Frontier, marked_at AS MarkedAt, revision AS Revision, mac AS Mac FROM audit_slots"))
            .AsList();
        await new RegisterState(rows).VerifyAsync(connection, Table, all.Count, all.Sum(each => each.Revision), cancellationToken);
        // All rows that ever were are there: this one was never made.
        if (all.Find(each => each.Slot == slot) is not { } row)
        {
            return null;
        }

        await rows.VerifyAsync(row.Canonical(), row.Mac, Table, Id(slot), row.Revision, cancellationToken);
        return MerkleFrontier.TryParse(row.MarkedSize, row.Frontier, out var frontier)
            ? new AuditMark(slot, frontier, UnixTime.FromNanoseconds(row.MarkedAt), row.Revision)
            : throw new StoreTamperedException(Table, Id(slot), "the frontier is not that of a tree of this size");
    }

    /// <summary>Replaces this mark by one over what <paramref name="frontier"/> covers.</summary>
    /// <exception cref="StoreUnavailableException">The server writes another slot by now.</exception>
    public async Task<AuditMark> AdvanceAsync(IStoreTransaction transaction, RowAuthenticator rows, MerkleFrontier frontier)
    {
        if (transaction.Slot != Slot)
        {
            throw new StoreUnavailableException($"The server writes log slot {transaction.Slot} and no longer {Slot}.");
        }

        var next = new AuditMark(Slot, frontier, transaction.Time, Revision + 1);
        await WriteAsync(transaction, rows, next);
        await new RegisterState(rows).ChangedAsync(transaction, Table);
        return next;
    }

    private static async Task WriteAsync(IStoreTransaction transaction, RowAuthenticator rows, AuditMark mark)
    {
        var row = new Row(mark.Slot, mark.Frontier.Size, mark.Frontier.ToArray(), UnixTime.Nanoseconds(mark.Time), mark.Revision, []);
        row = row with { Mac = await rows.MacAsync(row.Canonical(), CancellationToken.None) };
        transaction.OnCommitted(() => rows.Seen.Note(Table, Id(mark.Slot), mark.Revision));
        var written = await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO audit_slots (slot, marked_size, frontier, marked_at, revision, mac)
            VALUES (@Slot, @MarkedSize, @Frontier, @MarkedAt, @Revision, @Mac)
            ON CONFLICT (slot) DO UPDATE SET marked_size = @MarkedSize, frontier = @Frontier, marked_at = @MarkedAt, revision = @Revision, mac = @Mac
            WHERE audit_slots.revision = @Revision - 1
            """,
            row, transaction.Transaction);
        if (written != 1)
        {
            throw new StoreTamperedException(Table, Id(mark.Slot), "the row is not at the revision that the service wrote");
        }
    }

    private static string Id(int slot) => slot.ToString(CultureInfo.InvariantCulture);

    private sealed record Row(long Slot, long MarkedSize, byte[] Frontier, long MarkedAt, long Revision, byte[] Mac)
    {
        public byte[] Canonical() =>
            RowMac.Row(Table).AddInt64(Slot).AddInt64(MarkedSize).AddBytes(Frontier).AddInt64(MarkedAt).AddInt64(Revision).ToArray();
    }
}
