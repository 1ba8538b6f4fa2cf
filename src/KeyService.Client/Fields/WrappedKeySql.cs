using System.Data;
using System.Data.Common;
using System.Globalization;

namespace KeyService.Client;

/// <summary>Commands, and commits that are durable even where the database was told to take that lightly.</summary>
internal static class WrappedKeySql
{
    private const int SqliteFull = 2;

    public static DbCommand Command(DbConnection connection, DbTransaction? transaction, string text, params (string Name, object Value)[] parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = text;
        command.Transaction = transaction;
        foreach (var (name, value) in parameters)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value;
            command.Parameters.Add(parameter);
        }
        return command;
    }

    /// <summary>Runs a change in a transaction of its own whose commit waits for the disk.</summary>
    public static async Task<int> DurablyAsync(DbConnection connection, Func<DbTransaction, Task<int>> change, CancellationToken cancellation)
    {
        var provider = connection.GetType().FullName ?? "";
        var synchronous = provider.StartsWith("Microsoft.Data.Sqlite", StringComparison.Ordinal)
            ? await StrengthenSqliteAsync(connection, cancellation).ConfigureAwait(false)
            : SqliteFull;
        try
        {
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.Unspecified, cancellation).ConfigureAwait(false);
            if (provider.StartsWith("Npgsql", StringComparison.Ordinal))
            {
                // A server or role set to synchronous_commit = off may lose its last commits in a crash, and with this row every field under it.
                await using var command = Command(
                    connection, transaction,
                    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'");
                await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
            }
            var count = await change(transaction).ConfigureAwait(false);
            await transaction.CommitAsync(cancellation).ConfigureAwait(false);
            return count;
        }
        finally
        {
            if (synchronous < SqliteFull)
            {
                await SetSqliteAsync(connection, synchronous).ConfigureAwait(false);
            }
        }
    }

    private static async Task<int> StrengthenSqliteAsync(DbConnection connection, CancellationToken cancellation)
    {
        await using var command = Command(connection, null, "PRAGMA synchronous");
        var before = Convert.ToInt32(await command.ExecuteScalarAsync(cancellation).ConfigureAwait(false), CultureInfo.InvariantCulture);
        if (before < SqliteFull)
        {
            await SetSqliteAsync(connection, SqliteFull).ConfigureAwait(false);
        }
        return before;
    }

    private static async Task SetSqliteAsync(DbConnection connection, int synchronous)
    {
        await using var command = Command(connection, null, string.Create(CultureInfo.InvariantCulture, $"PRAGMA synchronous = {synchronous}"));
        await command.ExecuteNonQueryAsync(CancellationToken.None).ConfigureAwait(false);
    }
}
