using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Crypto.Logs;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Audit;

/// <summary>
/// How far a log is signed and what stood in it then: what the next checkpoint goes on from, so that nobody who edits the database has a fork
/// signed. MACed and on record.
/// </summary>
/// <param name="Log">The slot, or <see cref="Directory"/>.</param>
/// <param name="Revision">0 when it was never signed.</param>
internal sealed record SignedLog(int Log, MerkleFrontier Frontier, long Revision)
{
    /// <summary>The number of the directory log.</summary>
    public const int Directory = -1;

    private const string Table = "signed_logs";
    private const string Columns = "SELECT log AS Log, size AS Size, frontier AS Frontier, revision AS Revision, mac AS Mac FROM signed_logs";

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Row>(Table, Columns, "log", "@Log", row => new DecidingRow($"{row.Log}", row.Revision, row.Canonical()))];

    /// <summary>How far a log is signed; of size 0 when it never was.</summary>
    /// <exception cref="StoreTamperedException">The row was changed, removed or put back.</exception>
    public static async Task<SignedLog> ReadAsync(DbConnection connection, RowAuthenticator rows, int log, CancellationToken cancellationToken)
    {
        var newest = await connection.ExecuteScalarAsync<long?>("SELECT max(size) FROM audit_checkpoints WHERE log = @log", new { log = (long)log });
        var row = await connection.QuerySingleOrDefaultAsync<Row>($"{Columns} WHERE log = @log", new { log = (long)log });
        if (row is null)
        {
            return newest is null ? new SignedLog(log, new MerkleFrontier(), 0) : throw new StoreTamperedException(Table, $"{log}", "the row is missing, and there are checkpoints");
        }

        await rows.VerifyAsync(row.Canonical(), row.Mac, Table, $"{log}", row.Revision, cancellationToken);
        if (newest is { } size && size != row.Size)
        {
            throw new StoreTamperedException(Table, $"{log}", $"the log is signed up to {row.Size}, and the last checkpoint is of {size}");
        }

        return MerkleFrontier.TryParse(row.Size, row.Frontier, out var frontier)
            ? new SignedLog(log, frontier, row.Revision)
            : throw new StoreTamperedException(Table, $"{log}", "the frontier is not that of a tree of this size");
    }

    /// <summary>Keeps a checkpoint over what <paramref name="frontier"/> covers, and goes on from it; null when another server was first.</summary>
    public async Task<SignedLog?> AdvanceAsync(IStoreTransaction transaction, RowAuthenticator rows, MerkleFrontier frontier, SignedNote note)
    {
        var next = new Row(Log, frontier.Size, frontier.ToArray(), Revision + 1, []);
        var written = await transaction.Connection.ExecuteScalarAsync<long>(
            "SELECT coalesce(max(revision), 0) FROM signed_logs WHERE log = @log", new { log = (long)Log }, transaction.Transaction);
        if (written != Revision)
        {
            return null;
        }

        next = next with { Mac = await rows.SealAsync(transaction, next.Canonical(), Table, $"{Log}", next.Revision) };
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO signed_logs (log, size, frontier, revision, mac) VALUES (@Log, @Size, @Frontier, @Revision, @Mac)
            ON CONFLICT (log) DO UPDATE SET size = @Size, frontier = @Frontier, revision = @Revision, mac = @Mac
            """,
            next, transaction.Transaction);
        await transaction.Connection.ExecuteAsync(
            "INSERT INTO audit_checkpoints (log, size, note, made_at) VALUES (@log, @size, @note, @now)",
            new { log = (long)Log, size = frontier.Size, note = note.ToArray(), now = UnixTime.Nanoseconds(transaction.Time) }, transaction.Transaction);
        return new SignedLog(Log, frontier, next.Revision);
    }

    private sealed record Row(long Log, long Size, byte[] Frontier, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row(Table).AddInt64(Log).AddInt64(Size).AddBytes(Frontier).AddInt64(Revision).ToArray();
    }
}
