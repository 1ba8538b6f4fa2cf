using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace KeyService.Cli.Adopt;

/// <summary>What the statements of an adoption share.</summary>
internal static class Sql
{
    /// <summary>Longest name that PostgreSQL keeps whole, in bytes.</summary>
    public const int LongestName = 63;

    private static readonly NpgsqlCommandBuilder Quoting = new();

    public static string Name(string identifier) => Quoting.QuoteIdentifier(identifier);

    public static bool Fits(string identifier) => Encoding.UTF8.GetByteCount(identifier) <= LongestName;

    public static async Task ExecuteAsync(
        NpgsqlConnection connection, string statement, CancellationToken cancellation, params object[] values)
    {
        await using var command = Command(connection, statement, values);
        await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
    }

    public static async Task<T> ScalarAsync<T>(
        NpgsqlConnection connection, string query, CancellationToken cancellation, params object[] values)
    {
        await using var command = Command(connection, query, values);
        return (T)(await command.ExecuteScalarAsync(cancellation).ConfigureAwait(false))!;
    }

    public static NpgsqlCommand Command(NpgsqlConnection connection, string text, params object[] values)
    {
        // A pass over a large table takes as long as it takes; locks have a time-out of their own.
        var command = new NpgsqlCommand(text, connection) { CommandTimeout = 0 };
        foreach (var value in values)
        {
            // An object id is the one unsigned type that PostgreSQL has.
            command.Parameters.Add(value is uint oid ? new NpgsqlParameter { Value = oid, NpgsqlDbType = NpgsqlDbType.Oid } : new NpgsqlParameter { Value = value });
        }
        return command;
    }
}
