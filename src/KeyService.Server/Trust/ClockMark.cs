using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>The latest time that the installation has seen, as it stands in the database: one row, raised about every hour.</summary>
internal sealed record ClockMark(DateTimeOffset NewestTime, long Revision)
{
    public const string Table = "clock_mark";

    private const string Columns = "SELECT id AS Id, newest_at AS NewestAt, revision AS Revision, mac AS Mac FROM clock_mark";

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Row>(Table, Columns, "id", "@Id", row => new DecidingRow("1", row.Revision, row.Canonical()))];

    /// <summary>Null when none was written yet.</summary>
    /// <exception cref="StoreTamperedException">The row was changed outside the service.</exception>
    public static async Task<ClockMark?> ReadAsync(
        DbConnection connection, DbTransaction? transaction, RowAuthenticator rows, CancellationToken cancellationToken)
    {
        var row = await connection.QuerySingleOrDefaultAsync<Row>($"{Columns} WHERE id = 1", transaction: transaction);
        if (row is null)
        {
            return null;
        }

        await rows.VerifyAsync(row.Canonical(), row.Mac, Table, "1", row.Revision, cancellationToken);
        return new ClockMark(UnixTime.FromNanoseconds(row.NewestAt), row.Revision);
    }

    /// <summary>Puts <paramref name="time"/> in its place; a lower one only when an officer accepts it.</summary>
    /// <param name="before">The row as read in the same change; null when there is none.</param>
    public static async Task WriteAsync(IStoreTransaction transaction, RowAuthenticator rows, ClockMark? before, DateTimeOffset time)
    {
        var row = new Row(1, UnixTime.Nanoseconds(time), (before?.Revision ?? 0) + 1, []);
        row = row with { Mac = await rows.SealAsync(transaction, row.Canonical(), Table, "1", row.Revision) };
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO clock_mark (id, newest_at, revision, mac) VALUES (@Id, @NewestAt, @Revision, @Mac)
            ON CONFLICT (id) DO UPDATE SET newest_at = @NewestAt, revision = @Revision, mac = @Mac
            """,
            row, transaction.Transaction);
    }

    private sealed record Row(long Id, long NewestAt, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row(Table).AddInt64(Id).AddInt64(NewestAt).AddInt64(Revision).ToArray();
    }
}
