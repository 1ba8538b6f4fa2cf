using System.Data.Common;
using Dapper;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>A change of a row as other servers learn of it: what to read again.</summary>
internal sealed record FedChange(long Position, string Table, string RowId);

/// <summary>
/// The order of all changes of deciding rows, for servers that hold such rows in memory. Positions count from 1 without a gap: they are given under the
/// lock that makes changes of all servers run one after another. Decides nothing by itself, so it carries no MAC: what it names is read again
/// and verified, and what somebody took out of it leaves a gap.
/// </summary>
internal static class ChangeFeed
{
    /// <summary>How long changes are kept; a server that was away for longer reads everything.</summary>
    public static readonly TimeSpan Retention = TimeSpan.FromDays(7);

    /// <summary>Changes a read.</summary>
    public const int PageSize = 1000;

    /// <summary>Every so many positions, what is older than <see cref="Retention"/> is dropped.</summary>
    private const int DropEvery = 256;

    /// <summary>Rows in one statement.</summary>
    private const int RowsAtOnce = 32;

    /// <summary>Part of each change that wrote deciding rows, where several servers share the store.</summary>
    public static async Task AppendAsync(IStoreTransaction transaction, IReadOnlyList<RowChange> changes)
    {
        var position = await transaction.Connection.ExecuteScalarAsync<long>(
            "UPDATE change_position SET position = position + @count WHERE id = 1 RETURNING position", new { count = (long)changes.Count }, transaction.Transaction);
        var next = position - changes.Count;
        foreach (var rows in changes.Chunk(RowsAtOnce))
        {
            var parameters = new DynamicParameters();
            parameters.Add("slot", (long)transaction.Slot);
            parameters.Add("committedAt", UnixTime.Nanoseconds(transaction.Time));
            var values = new List<string>(rows.Length);
            foreach (var (index, row) in rows.Index())
            {
                parameters.Add($"position{index}", ++next);
                parameters.Add($"table{index}", row.Table);
                parameters.Add($"rowId{index}", row.RowId);
                parameters.Add($"revision{index}", row.Revision);
                parameters.Add($"digest{index}", row.Digest);
                values.Add($"(@position{index}, @slot, @table{index}, @rowId{index}, @revision{index}, @digest{index}, @committedAt)");
            }

            await transaction.Connection.ExecuteAsync(
                $"INSERT INTO row_changes (position, slot, table_name, row_id, revision, digest, committed_at) VALUES {string.Join(", ", values)}",
                parameters, transaction.Transaction);
        }

        if (position / DropEvery != (position - changes.Count) / DropEvery)
        {
            await transaction.Connection.ExecuteAsync(
                "DELETE FROM row_changes WHERE committed_at < @horizon", new { horizon = UnixTime.Nanoseconds(transaction.Time - Retention) },
                transaction.Transaction);
        }
    }

    /// <summary>The last position given.</summary>
    public static Task<long> ReadPositionAsync(DbConnection connection, DbTransaction? transaction = null) =>
        connection.ExecuteScalarAsync<long>("SELECT position FROM change_position WHERE id = 1", transaction: transaction);

    /// <summary>The next changes, in order.</summary>
    public static async Task<List<FedChange>> ReadAsync(DbConnection connection, long after) => (await connection.QueryAsync<FedChange>(
        """
        SELECT position AS Position, table_name AS "Table", row_id AS RowId FROM row_changes WHERE position > @after ORDER BY position LIMIT @limit
        """,
        new { after, limit = PageSize })).AsList();
}
