using System.Globalization;
using Microsoft.Data.Sqlite;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// Brings a file to the newest schema, forward only, each step in its own transaction, and refuses what is not ours. <c>application_id</c>
/// says whose the file is, <c>schema_version</c> which steps ran, with their hashes and what servers they are for.
/// </summary>
internal static class SqliteSchema
{
    /// <summary>"KSRV".</summary>
    private const int ApplicationId = 0x4B535256;

    /// <returns>How many steps the file has had: more than <paramref name="migrations"/> when a newer server used it.</returns>
    /// <exception cref="StoreOpenException">Another program's file, one for newer servers only, or one whose steps are not ours.</exception>
    public static int Upgrade(SqliteConnection connection, string path, IReadOnlyList<Migration> migrations, TimeProvider time)
    {
        var applied = Inspect(connection, path, migrations);
        foreach (var migration in migrations.Skip(applied))
        {
            using var transaction = connection.BeginTransaction();
            if (migration.Version == 1)
            {
                SqliteConnections.Execute(connection, $"PRAGMA application_id = {ApplicationId}");
                SqliteConnections.Execute(connection, """
                    CREATE TABLE schema_version (
                        version INTEGER PRIMARY KEY,
                        name TEXT NOT NULL,
                        digest BLOB NOT NULL,
                        applied_at INTEGER NOT NULL
                    ) STRICT
                    """);
            }

            SqliteConnections.Execute(connection, migration.Sql);
            using var record = connection.CreateCommand();
            record.CommandText = migration.Version < Migration.FirstThatSays
                ? "INSERT INTO schema_version (version, name, digest, applied_at) VALUES ($version, $name, $digest, $now)"
                : "INSERT INTO schema_version (version, name, digest, applied_at, oldest_server) VALUES ($version, $name, $digest, $now, $oldest)";
            record.Parameters.AddWithValue("$version", migration.Version);
            record.Parameters.AddWithValue("$name", migration.Name);
            record.Parameters.AddWithValue("$digest", migration.Digest);
            record.Parameters.AddWithValue("$now", UnixTime.Nanoseconds(time.GetUtcNow()));
            record.Parameters.AddWithValue("$oldest", migration.OldestServer);
            record.ExecuteNonQuery();
            transaction.Commit();
        }

        return Math.Max(applied, migrations.Count);
    }

    /// <summary>Number of steps that ran, 0 of an empty file.</summary>
    /// <exception cref="StoreOpenException">Another program's file, one for newer servers only, or one whose steps are not ours.</exception>
    public static int Inspect(SqliteConnection connection, string path, IReadOnlyList<Migration> migrations)
    {
        var owner = int.Parse(SqliteConnections.Scalar(connection, "PRAGMA application_id"), CultureInfo.InvariantCulture);
        if (owner == 0 && SqliteConnections.Scalar(connection, "SELECT count(*) FROM sqlite_schema") == "0")
        {
            return 0;
        }

        if (owner != ApplicationId)
        {
            throw new StoreOpenException($"{path} is a database of another program (application id {owner:x8}); name another file as the store.");
        }

        var says = SqliteConnections.Scalar(connection, "SELECT count(*) FROM pragma_table_info('schema_version') WHERE name = 'oldest_server'") != "0";
        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT version, name, digest, {(says ? "oldest_server" : "NULL")} FROM schema_version ORDER BY version";
        using var reader = command.ExecuteReader();
        var applied = new List<AppliedStep>();
        while (reader.Read())
        {
            applied.Add(new AppliedStep(reader.GetInt64(0), reader.GetString(1), reader.GetFieldValue<byte[]>(2), reader.IsDBNull(3) ? null : reader.GetInt64(3)));
        }

        return AppliedStep.Accept(path, applied, migrations);
    }
}
