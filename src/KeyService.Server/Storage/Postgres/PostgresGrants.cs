using Dapper;
using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// What the service's role may do in a schema that another role owns: work with rows, and neither change the schema nor touch what was
/// recorded. Given anew after each migration, also to the tables that it made.
/// </summary>
internal static class PostgresGrants
{
    /// <summary>Tables whose rows are written once.</summary>
    private static readonly HashSet<string> InsertOnly = ["audit_checkpoints", "audit_cosignatures", "audit_directory", "audit_records", "audit_segments", "audit_terms", "bundle_segments", "bundles", "key_transitions", "officer_rosters", "sign_offs", "store_acceptances"];

    /// <summary>Tables whose rows pass by themselves; rows of all others change at most (docs/spec/store.md, rule 3).</summary>
    private static readonly HashSet<string> Passing = ["requests", "row_changes"];

    /// <param name="role">An existing role that is not the schema's owner.</param>
    public static void Apply(NpgsqlConnection connection, string role)
    {
        var quoted = new NpgsqlCommandBuilder().QuoteIdentifier(role);
        using var transaction = connection.BeginTransaction();
        connection.Execute($"GRANT USAGE ON SCHEMA {PostgresConnections.Schema} TO {quoted}");
        connection.Execute($"REVOKE CREATE ON SCHEMA {PostgresConnections.Schema} FROM {quoted}");
        foreach (var table in Tables(connection))
        {
            connection.Execute($"REVOKE ALL ON {table} FROM {quoted}");
            connection.Execute($"GRANT {Privileges(table)} ON {table} TO {quoted}");
        }

        // The sequences of identity columns need nothing: whoever may insert may draw.
        connection.Execute($"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {PostgresConnections.Schema} TO {quoted}");
        transaction.Commit();
    }

    // Partitions are left out: through the table they belong to, its privileges count, and by themselves they give none.
    private static IEnumerable<string> Tables(NpgsqlConnection connection) => connection.Query<string>(
        "SELECT relname FROM pg_class WHERE relnamespace = @schema::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname",
        new { schema = PostgresConnections.Schema });

    private static string Privileges(string table) => table switch
    {
        "schema_version" => "SELECT",
        _ when InsertOnly.Contains(table) => "SELECT, INSERT",
        _ when Passing.Contains(table) => "SELECT, INSERT, UPDATE, DELETE",
        _ => "SELECT, INSERT, UPDATE",
    };
}
