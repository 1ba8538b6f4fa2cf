using Dapper;
using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// Brings a database to the newest schema, forward only, each step in its own transaction, one server at a time, and refuses what is not
/// ours. <c>schema_version</c> says which steps ran, with their hashes and what servers they are for.
/// </summary>
internal static class PostgresSchema
{
    /// <summary>A step tries this often to have all tables to itself.</summary>
    private const int Tries = 10;

    private static readonly TimeSpan BetweenTries = TimeSpan.FromMilliseconds(300);

    /// <summary>Runs the steps that are missing; two who do so at once take turns.</summary>
    /// <returns>How many steps the database has had: more than <paramref name="migrations"/> when newer servers use it.</returns>
    /// <exception cref="StoreOpenException">Another program's schema, one for newer servers only, or one whose steps are not ours; or a table is in use.</exception>
    public static int Upgrade(NpgsqlConnection connection, string description, IReadOnlyList<Migration> migrations, TimeProvider time)
    {
        // Freed by the end of the session, however that comes.
        connection.Execute($"SELECT pg_advisory_lock({AdvisoryLocks.General}, {AdvisoryLocks.Migrations})");
        var applied = Inspect(connection, description, migrations);
        foreach (var migration in migrations.Skip(applied))
        {
            ApplyBeside(connection, description, migration, time);
        }

        connection.Execute($"SELECT pg_advisory_unlock({AdvisoryLocks.General}, {AdvisoryLocks.Migrations})");
        return Math.Max(applied, migrations.Count);
    }

    /// <summary>Number of steps that ran, 0 of an empty database.</summary>
    /// <exception cref="StoreOpenException">Another program's schema, one for newer servers only, or one whose steps are not ours.</exception>
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

        var says = connection.ExecuteScalar<bool>($"""
            SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = '{PostgresConnections.Schema}.schema_version'::regclass AND attname = 'oldest_server')
            """);
        var applied = connection.Query<(long Version, string Name, byte[] Digest, long? OldestServer)>(
            $"SELECT version, name, digest, {(says ? "oldest_server" : "NULL::BIGINT")} FROM {PostgresConnections.Schema}.schema_version ORDER BY version");
        return AppliedStep.Accept(
            description, [.. applied.Select(step => new AppliedStep(step.Version, step.Name, step.Digest, step.OldestServer))], migrations);
    }

    /// <summary>Whether the role that logged in may bring the schema forward.</summary>
    public static bool MayUpgrade(NpgsqlConnection connection) => SchemaExists(connection)
        ? connection.ExecuteScalar<bool>("SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = @schema", new { schema = PostgresConnections.Schema })
        : connection.ExecuteScalar<bool>("SELECT has_database_privilege(current_database(), 'CREATE')");

    // Servers work while this runs.
    private static void ApplyBeside(NpgsqlConnection connection, string description, Migration migration, TimeProvider time)
    {
        for (var tries = 0; !TryApply(connection, migration, time); tries++)
        {
            if (tries == Tries)
            {
                throw new StoreOpenException(
                    $"The schema step {migration.Version} ({migration.Name}) of {description} waited in vain for tables that another session uses "
                    + "(pg_dump, VACUUM, a transaction left open). Nothing of it was done; run it again when that session has ended.");
            }

            Thread.Sleep(BetweenTries);
        }
    }

    /// <summary>False, and nothing was done, when the tables were not to be had.</summary>
    private static bool TryApply(NpgsqlConnection connection, Migration migration, TimeProvider time)
    {
        using var transaction = connection.BeginTransaction();
        if (!TryTakeTables(connection))
        {
            return false;
        }

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
            migration.Version < Migration.FirstThatSays
                ? "INSERT INTO schema_version (version, name, digest, applied_at) VALUES (@version, @name, @digest, @now)"
                : "INSERT INTO schema_version (version, name, digest, applied_at, oldest_server) VALUES (@version, @name, @digest, @now, @oldest)",
            new
            {
                version = (long)migration.Version, name = migration.Name, digest = migration.Digest, now = UnixTime.Nanoseconds(time.GetUtcNow()),
                oldest = (long)migration.OldestServer,
            });
        transaction.Commit();
        return true;
    }

    // All tables at once, before the step does anything, so that it never waits for one while servers wait for another that it has. And in less time
    // than it takes PostgreSQL to look for a deadlock, so that a step that collides with servers all the same is never the end of a call of theirs: it
    // lets go, they pass, it tries again. A step that a long reader keeps waiting, a dump say, does not keep everybody behind it waiting either.
    private static bool TryTakeTables(NpgsqlConnection connection)
    {
        var tables = connection.Query<string>(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = to_regnamespace(@schema) AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname",
            new { schema = PostgresConnections.Schema }).AsList();
        if (tables.Count == 0)
        {
            return true;
        }

        try
        {
            var patience = connection.ExecuteScalar<long>("SELECT least(setting::BIGINT * 3 / 4, 2000) FROM pg_settings WHERE name = 'deadlock_timeout'");
            connection.Execute($"SET LOCAL statement_timeout = {patience}");
            // Changes use many tables: none is under way while the tables are taken.
            connection.Execute($"SELECT pg_advisory_xact_lock({AdvisoryLocks.General}, {AdvisoryLocks.Changes})");
            connection.Execute($"LOCK TABLE {string.Join(", ", tables)} IN ACCESS EXCLUSIVE MODE");
            connection.Execute("SET LOCAL statement_timeout TO DEFAULT");
            return true;
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.QueryCanceled or PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
        {
            return false;
        }
    }

    private static bool SchemaExists(NpgsqlConnection connection) =>
        connection.ExecuteScalar<bool>("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = @schema)", new { schema = PostgresConnections.Schema });
}
