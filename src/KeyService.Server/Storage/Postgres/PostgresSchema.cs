using Dapper;
using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// Brings a database to the newest schema, forward only, each step in its own transaction, one server at a time, and refuses what is not
/// ours. <c>schema_version</c> says which steps ran, with their hashes.
/// </summary>
internal static class PostgresSchema
{
    /// <summary>Runs the steps that are missing; two who do so at once take turns.</summary>
    /// <exception cref="StoreOpenException">Another program's schema, a newer one, or one whose steps are not ours.</exception>
    public static void Upgrade(NpgsqlConnection connection, string description, IReadOnlyList<Migration> migrations, TimeProvider time)
    {
        // Freed by the end of the session, however that comes.
        connection.Execute($"SELECT pg_advisory_lock({AdvisoryLocks.General}, {AdvisoryLocks.Migrations})");
        var applied = Inspect(connection, description, migrations);
        foreach (var migration in migrations.Skip(applied))
        {
            using var transaction = connection.BeginTransaction();
            if (migration.Version == 1)
            {
                // Not CREATE IF NOT EXISTS alone: whoever may not create a schema may still be given one.
                if (!SchemaExists(connection))
                {
                    connection.Execute($"CREATE SCHEMA {PostgresConnections.Schema}");
                }

                connection.Execute("""
                    CREATE TABLE schema_version (
                        version BIGINT PRIMARY KEY,
                        name TEXT NOT NULL,
                        digest BYTEA NOT NULL,
                        applied_at BIGINT NOT NULL
                    )
                    """);
            }

            connection.Execute(migration.Sql);
            connection.Execute(
                "INSERT INTO schema_version (version, name, digest, applied_at) VALUES (@version, @name, @digest, @now)",
                new { version = (long)migration.Version, name = migration.Name, digest = migration.Digest, now = UnixTime.Nanoseconds(time.GetUtcNow()) });
            transaction.Commit();
        }

        connection.Execute($"SELECT pg_advisory_unlock({AdvisoryLocks.General}, {AdvisoryLocks.Migrations})");
    }

    /// <summary>Number of steps that ran.</summary>
    /// <exception cref="StoreOpenException">Another program's schema, a newer one, or one whose steps are not ours.</exception>
    public static int Inspect(NpgsqlConnection connection, string description, IReadOnlyList<Migration> migrations)
    {
        if (!SchemaExists(connection))
        {
            return 0;
        }

        if (!connection.ExecuteScalar<bool>($"SELECT to_regclass('{PostgresConnections.Schema}.schema_version') IS NOT NULL"))
        {
            return connection.ExecuteScalar<bool>($"SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = '{PostgresConnections.Schema}'::regnamespace)")
                ? throw new StoreOpenException(
                    $"{description} has a schema \"{PostgresConnections.Schema}\" of another program; name another database as the store.")
                : 0;
        }

        var applied = 0;
        foreach (var (version, name, digest) in connection.Query<(long, string, byte[])>(
            $"SELECT version, name, digest FROM {PostgresConnections.Schema}.schema_version ORDER BY version"))
        {
            if (version > migrations.Count)
            {
                throw new StoreOpenException(
                    $"{description} was written by a newer KeyService (schema {version}; this one knows up to {migrations.Count}). "
                    + "Start that version, or restore a backup made before the upgrade.");
            }

            if (version != applied + 1 || !migrations[applied].Digest.AsSpan().SequenceEqual(digest))
            {
                throw new StoreOpenException(
                    $"{description} has a schema step {version} ({name}) that is not the one of this KeyService. "
                    + "It was made by a build that was never released, or changed by hand.");
            }

            applied = (int)version;
        }

        return applied > 0 ? applied : throw new StoreOpenException($"{description} says it is a KeyService store and holds no schema; restore it from a backup.");
    }

    /// <summary>Whether the role that logged in may bring the schema forward.</summary>
    public static bool MayUpgrade(NpgsqlConnection connection) => SchemaExists(connection)
        ? connection.ExecuteScalar<bool>("SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = @schema", new { schema = PostgresConnections.Schema })
        : connection.ExecuteScalar<bool>("SELECT has_database_privilege(current_database(), 'CREATE')");

    private static bool SchemaExists(NpgsqlConnection connection) =>
        connection.ExecuteScalar<bool>("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = @schema)", new { schema = PostgresConnections.Schema });
}
