using System.Buffers.Binary;
using System.Data.Common;
using System.Text.Json;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Detection;

/// <summary>How far the log was looked through and what the rules remember of it: written in one change with what was found up to there.</summary>
/// <param name="Next">For each slot the first record that was not looked at.</param>
/// <param name="BeganAt">When detection began: records of before are learned from, and are no findings.</param>
/// <param name="Revision">0 when there is no row.</param>
internal sealed record DetectionRow(IReadOnlyDictionary<int, long> Next, DetectionState State, DateTimeOffset BeganAt, long Revision)
{
    private const string Table = "detection_state";
    private const string Columns =
        "SELECT id AS Id, positions AS Positions, state AS State, began_at AS BeganAt, revision AS Revision, mac AS Mac FROM detection_state";

    private const int PositionLength = 12;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Row>(Table, Columns, "id", "@Id", row => new DecidingRow("1", row.Revision, row.Canonical()))];

    /// <summary>Null when detection never began.</summary>
    /// <exception cref="StoreTamperedException">The row was changed or removed.</exception>
    public static async Task<DetectionRow?> ReadAsync(DbConnection connection, RowAuthenticator rows, CancellationToken cancellationToken)
    {
        if (await connection.QuerySingleOrDefaultAsync<Row>(Columns) is not { } row)
        {
            return await connection.ExecuteScalarAsync<long>("SELECT COUNT(*) FROM findings") == 0
                ? null : throw new StoreTamperedException(Table, "1", "the row is missing, and there are findings");
        }

        await rows.VerifyAsync(row.Canonical(), row.Mac, Table, "1", row.Revision, cancellationToken);
        try
        {
            return new DetectionRow(Parse(row.Positions), DetectionState.Parse(row.State), UnixTime.FromNanoseconds(row.BeganAt), row.Revision);
        }
        catch (JsonException e)
        {
            throw new StoreTamperedException(Table, "1", $"the state cannot be read: {e.Message}");
        }
    }

    /// <summary>Writes this as the row's next state; null when another server was first.</summary>
    public async Task<DetectionRow?> WriteAsync(IStoreTransaction transaction, RowAuthenticator rows)
    {
        var written = await transaction.Connection.ExecuteScalarAsync<long>("SELECT coalesce(max(revision), 0) FROM detection_state", transaction: transaction.Transaction);
        if (written != Revision)
        {
            return null;
        }

        var row = new Row { Id = 1, Positions = Encode(), State = State.ToBytes(), BeganAt = UnixTime.Nanoseconds(BeganAt), Revision = Revision + 1 };
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), Table, "1", row.Revision);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO detection_state (id, positions, state, began_at, revision, mac) VALUES (@Id, @Positions, @State, @BeganAt, @Revision, @Mac)
            ON CONFLICT (id) DO UPDATE SET positions = @Positions, state = @State, began_at = @BeganAt, revision = @Revision, mac = @Mac
            """,
            row, transaction.Transaction);
        return this with { Revision = row.Revision };
    }

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

    private static Dictionary<int, long> Parse(byte[] positions)
    {
        var next = new Dictionary<int, long>();
        for (var at = positions.AsSpan(); at.Length >= PositionLength; at = at[PositionLength..])
        {
            next.Add(BinaryPrimitives.ReadInt32BigEndian(at), BinaryPrimitives.ReadInt64BigEndian(at[4..]));
        }

        return next;
    }

    private sealed class Row
    {
        public long Id { get; set; }

        public byte[] Positions { get; set; } = [];

        public byte[] State { get; set; } = [];

        public long BeganAt { get; set; }

        public long Revision { get; set; }

        public byte[] Mac { get; set; } = [];

        public byte[] Canonical() => RowMac.Row(Table).AddInt64(Id).AddBytes(Positions).AddBytes(State).AddInt64(BeganAt).AddInt64(Revision).ToArray();
    }
}
