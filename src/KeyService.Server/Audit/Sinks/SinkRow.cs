using System.Buffers.Binary;
using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// How far a sink has confirmed what was delivered to it. MACed, so that nobody who edits the database keeps records from it; a row that is
/// removed or put back costs a second delivery and loses nothing.
/// </summary>
/// <param name="Next">For each slot the first record that is not confirmed.</param>
/// <param name="ConfirmedAt">When it last confirmed something; null before.</param>
/// <param name="FailingSince">Since when it takes nothing; null while it does.</param>
/// <param name="Error">Why it takes nothing; empty while it does.</param>
/// <param name="Revision">0 when there is no row.</param>
internal sealed record SinkRow(
    string Sink, IReadOnlyDictionary<int, long> Next, DateTimeOffset? ConfirmedAt, DateTimeOffset? FailingSince, string Error, long Revision)
{
    private const string Table = "audit_sinks";
    private const int MaxErrorLength = 512;
    private const int PositionLength = 12;

    private const string Columns =
        """
        SELECT sink AS Sink, positions AS Positions, confirmed_at AS ConfirmedAt, failing_since AS FailingSince, error AS Error,
               revision AS Revision, mac AS Mac FROM audit_sinks
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Row>(Table, Columns, "sink", "@Sink", row => new DecidingRow(row.Sink, row.Revision, row.Canonical()))];

    public static SinkRow New(string sink) => new(sink, new Dictionary<int, long>(), null, null, "", 0);

    /// <summary>The row of a sink; a new one when there is none.</summary>
    /// <exception cref="StoreTamperedException">It was changed or put back.</exception>
    public static async Task<SinkRow> ReadAsync(DbConnection connection, RowAuthenticator rows, string sink, CancellationToken cancellationToken)
    {
        var row = await connection.QuerySingleOrDefaultAsync<Row>($"{Columns} WHERE sink = @sink", new { sink });
        if (row is null)
        {
            return New(sink);
        }

        await rows.VerifyAsync(row.Canonical(), row.Mac, Table, row.Sink, row.Revision, cancellationToken);
        return new SinkRow(
            row.Sink, Parse(row), TimeOf(row.ConfirmedAt), TimeOf(row.FailingSince), row.Error, row.Revision);
    }

    /// <summary>Writes this as the row's next state; null when another server was first.</summary>
    public async Task<SinkRow?> WriteAsync(IStoreTransaction transaction, RowAuthenticator rows)
    {
        var written = await transaction.Connection.ExecuteScalarAsync<long>(
            "SELECT coalesce(max(revision), 0) FROM audit_sinks WHERE sink = @Sink", new { Sink }, transaction.Transaction);
        if (written != Revision)
        {
            return null;
        }

        var row = new Row
        {
            Sink = Sink,
            Positions = Encode(),
            ConfirmedAt = ConfirmedAt is { } confirmed ? UnixTime.Nanoseconds(confirmed) : null,
            FailingSince = FailingSince is { } failing ? UnixTime.Nanoseconds(failing) : null,
            Error = Error.Length <= MaxErrorLength ? Error : Error[..MaxErrorLength],
            Revision = Revision + 1,
        };
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), Table, Sink, row.Revision);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO audit_sinks (sink, positions, confirmed_at, failing_since, error, revision, mac)
            VALUES (@Sink, @Positions, @ConfirmedAt, @FailingSince, @Error, @Revision, @Mac)
            ON CONFLICT (sink) DO UPDATE SET positions = @Positions, confirmed_at = @ConfirmedAt, failing_since = @FailingSince,
                error = @Error, revision = @Revision, mac = @Mac
            """,
            row, transaction.Transaction);
        return this with { Revision = row.Revision };
    }

    // Slot (4 bytes) and first record that is not confirmed (8 bytes), ascending by slot.
    private byte[] Encode()
    {
        var bytes = new byte[Next.Count * PositionLength];
        foreach (var (index, (slot, next)) in Next.OrderBy(each => each.Key).Index())
        {
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(index * PositionLength), slot);
            BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan((index * PositionLength) + 4), next);
        }

        return bytes;
    }

    private static Dictionary<int, long> Parse(Row row)
    {
        var next = new Dictionary<int, long>();
        for (var at = row.Positions.AsSpan(); at.Length >= PositionLength; at = at[PositionLength..])
        {
            next.Add(BinaryPrimitives.ReadInt32BigEndian(at), BinaryPrimitives.ReadInt64BigEndian(at[4..]));
        }

        return next;
    }

    private static DateTimeOffset? TimeOf(long? nanoseconds) => nanoseconds is { } some ? UnixTime.FromNanoseconds(some) : null;

    private sealed class Row
    {
        public string Sink { get; set; } = "";

        public byte[] Positions { get; set; } = [];

        public long? ConfirmedAt { get; set; }

        public long? FailingSince { get; set; }

        public string Error { get; set; } = "";

        public long Revision { get; set; }

        public byte[] Mac { get; set; } = [];

        public byte[] Canonical() => RowMac.Row(Table)
            .AddString(Sink).AddBytes(Positions).AddInt64(ConfirmedAt).AddInt64(FailingSince).AddString(Error).AddInt64(Revision).ToArray();
    }
}
