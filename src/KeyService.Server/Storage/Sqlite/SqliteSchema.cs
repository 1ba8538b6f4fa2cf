using System.Globalization;
using Microsoft.Data.Sqlite;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// Brings a file to the newest schema, forward only, each step in its own transaction, and refuses what is not ours. <c>application_id</c>
/// says whose the file is, <c>schema_version</c> which steps ran, with their hashes.
/// </summary>
internal static class SqliteSchema
{
    /// <summary>"KSRV".</summary>
    private const int ApplicationId = 0x4B535256;

    public static void Upgrade(SqliteConnection connection, string path, IReadOnlyList<Migration> migrations, TimeProvider time)
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
            record.CommandText = "INSERT INTO schema_version (version, name, digest, applied_at) VALUES ($version, $name, $digest, $now)";
            record.Parameters.AddWithValue("$version", migration.Version);
            record.Parameters.AddWithValue("$name", migration.Name);
            record.Parameters.AddWithValue("$digest", migration.Digest);
            record.Parameters.AddWithValue("$now", UnixTime.Nanoseconds(time.GetUtcNow()));
            record.ExecuteNonQuery();
            transaction.Commit();
        }
    }

    /// <summary>Number of steps that ran.</summary>
    /// <exception cref="StoreOpenException">Another program's file, a newer schema, or a schema whose steps are not ours.</exception>
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

        using var command = connection.CreateCommand();
        command.CommandText = "SELECT version, name, digest FROM schema_version ORDER BY version";
        using var reader = command.ExecuteReader();
        var applied = 0;
        while (reader.Read())
        {
            var version = reader.GetInt32(0);
            if (version > migrations.Count)
            {
                throw new StoreOpenException(
                    $"{path} was written by a newer KeyService (schema {version}; this one knows up to {migrations.Count}). "
                    + "Start that version, or restore a backup made before the upgrade.");
            }

            if (version != applied + 1 || !migrations[applied].Digest.AsSpan().SequenceEqual(reader.GetFieldValue<byte[]>(2)))
            {
                throw new StoreOpenException(
                    $"{path} has a schema step {version} ({reader.GetString(1)}) that is not the one of this KeyService. "
                    + "It was made by a build that was never released, or changed by hand.");
            }

            applied = version;
        }

        return applied > 0 ? applied : throw new StoreOpenException($"{path} says it is a KeyService store and holds no schema; restore it from a backup.");
    }
}
