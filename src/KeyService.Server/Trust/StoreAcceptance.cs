using System.Data.Common;
using System.Globalization;
using System.Text;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>What an officer accepted, MACed like every deciding row: a database that was put back, a clock, or both.</summary>
/// <param name="Id">64 random bits: servers that were away tell it from those that they knew.</param>
/// <param name="Logs">The ends of the log slots that were accepted; empty when only a clock was.</param>
/// <param name="ClockAt">The time that was accepted as the latest; null when the clock was not in question.</param>
internal sealed record StoreAcceptance(
    long Id, DateTimeOffset AcceptTime, string AcceptedBy, string Reason, IReadOnlyList<SeenLog> Logs, bool IsRestored, DateTimeOffset? ClockAt)
{
    public const string Table = "store_acceptances";

    private const string Columns =
        """
        SELECT id AS Id, accepted_at AS AcceptedAt, accepted_by AS AcceptedBy, reason AS Reason, positions AS Positions, restored AS Restored,
            clock_at AS ClockAt, revision AS Revision, mac AS Mac
        FROM store_acceptances
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Row>(Table, Columns, "id", "@Id", row => new DecidingRow(IdText(row.Id), row.Revision, row.Canonical()))];

    /// <summary>All of them, oldest first; there are few.</summary>
    /// <exception cref="StoreTamperedException">A row was changed outside the service.</exception>
    public static async Task<List<StoreAcceptance>> ReadAsync(
        DbConnection connection, DbTransaction? transaction, RowAuthenticator rows, CancellationToken cancellationToken)
    {
        var list = new List<StoreAcceptance>();
        foreach (var row in await connection.QueryAsync<Row>($"{Columns} ORDER BY accepted_at, id", transaction: transaction))
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, Table, IdText(row.Id), row.Revision, cancellationToken);
            using var reader = new BinaryReader(new MemoryStream(row.Positions), Encoding.UTF8);
            list.Add(new StoreAcceptance(
                row.Id, UnixTime.FromNanoseconds(row.AcceptedAt), row.AcceptedBy, row.Reason, SeenLog.Read(reader), row.Restored != 0,
                row.ClockAt is { } clock ? UnixTime.FromNanoseconds(clock) : null));
        }

        return list;
    }

    /// <summary>The last time that a restored database was accepted: every version that was active then is to be rotated. Null when none was.</summary>
    public static async Task<DateTimeOffset?> LastRestoreAsync(DbConnection connection, RowAuthenticator rows, CancellationToken cancellationToken) =>
        (await ReadAsync(connection, null, rows, cancellationToken)).FindLast(each => each.IsRestored)?.AcceptTime;

    public static long NewId() => unchecked((long)AccessAdministration.NewId());

    public async Task InsertAsync(IStoreTransaction transaction, RowAuthenticator rows)
    {
        var row = new Row(
            Id, UnixTime.Nanoseconds(AcceptTime), AcceptedBy, Reason, LogPosition.ToArray(writer => SeenLog.Write(writer, Logs)), IsRestored ? 1 : 0,
            ClockAt is { } clock ? UnixTime.Nanoseconds(clock) : null, 1, []);
        row = row with { Mac = await rows.SealAsync(transaction, row.Canonical(), Table, IdText(Id), 1) };
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO store_acceptances (id, accepted_at, accepted_by, reason, positions, restored, clock_at, revision, mac)
            VALUES (@Id, @AcceptedAt, @AcceptedBy, @Reason, @Positions, @Restored, @ClockAt, @Revision, @Mac)
            """,
            row, transaction.Transaction);
    }

    private static string IdText(long id) => id.ToString("x16", CultureInfo.InvariantCulture);

    private sealed record Row(
        long Id, long AcceptedAt, string AcceptedBy, string Reason, byte[] Positions, long Restored, long? ClockAt, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row(Table).AddInt64(Id).AddInt64(AcceptedAt).AddString(AcceptedBy).AddString(Reason).AddBytes(Positions)
            .AddInt64(Restored).AddInt64(ClockAt).AddInt64(Revision).ToArray();
    }
}
