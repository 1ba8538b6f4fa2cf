using Dapper;
using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>What of a database's settings an operator should know at each start.</summary>
internal static class PostgresWarnings
{
    public static IEnumerable<string> Of(NpgsqlConnection connection)
    {
        if (connection.ExecuteScalar<string>("SHOW fsync") != "on")
        {
            yield return "Warning: fsync is off in the database: a crash of its host may lose or damage everything in it.";
        }

        if (connection.ExecuteScalar<string>("SHOW full_page_writes") != "on")
        {
            yield return "Warning: full_page_writes is off in the database: a crash of its host may damage it.";
        }

        var user = connection.ExecuteScalar<string>("SELECT current_user");
        if (connection.ExecuteScalar<bool>($"SELECT has_table_privilege('{PostgresConnections.Schema}.audit_records', 'DELETE')"))
        {
            yield return $"Warning: the database role {user} may delete audit records; let the service log in as a role that owns nothing (docs/operations.md).";
        }
    }
}
