using System.Globalization;
using Microsoft.Data.Sqlite;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>Opens connections with the settings that the store's promises rest on, and checks that they took.</summary>
internal static class SqliteConnections
{
    /// <summary>Seconds to wait for a lock that another program (a backup tool, a shell) holds.</summary>
    private const int LockTimeout = 5;

    /// <summary>
    /// Pages of WAL (4 KiB each) after which a commit moves them into the file: larger, so that it is rare; it bounds the WAL to about 16
    /// MiB.
    /// </summary>
    private const int CheckpointPages = 4000;

    public static SqliteConnection OpenWriter(string path, bool create)
    {
        var connection = Open(path, create ? SqliteOpenMode.ReadWriteCreate : SqliteOpenMode.ReadWrite);
        try
        {
            Expect(connection, "PRAGMA journal_mode = WAL", "wal");
            // FULL: the WAL is synced at every commit and SQLite checks what fsync says, so a commit that returned is durable.
            Execute(connection, "PRAGMA synchronous = FULL");
            Expect(connection, "PRAGMA synchronous", "2");
            Execute(connection, $"PRAGMA wal_autocheckpoint = {CheckpointPages}");
            Execute(connection, $"PRAGMA busy_timeout = {LockTimeout * 1000}");
            EmptyLog(connection, path);
            Execute(connection, "PRAGMA foreign_keys = ON");
            Expect(connection, "PRAGMA foreign_keys", "1");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    public static SqliteConnection OpenReader(string path)
    {
        var connection = Open(path, SqliteOpenMode.ReadOnly);
        Execute(connection, "PRAGMA query_only = ON");
        return connection;
    }

    public static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public static string Scalar(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToString(command.ExecuteScalar(), CultureInfo.InvariantCulture) ?? "";
    }

    // A commit whose fsync failed may stand in the WAL as recovery found it, in the page cache and not on the disk; and the kernel reports
    // a failed fsync only once. What comes after it in the same WAL would be lost with it in a power cut. So everything is moved into the
    // file, that is synced, and the WAL begins anew.
    private static void EmptyLog(SqliteConnection connection, string path)
    {
        if (Scalar(connection, "PRAGMA wal_checkpoint(TRUNCATE)") != "0")
        {
            throw new StoreOpenException($"Another program is reading {path} and does not end; end it first.");
        }
    }

    private static SqliteConnection Open(string path, SqliteOpenMode mode)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = mode,
            Pooling = false,
            DefaultTimeout = LockTimeout,
        }.ToString());
        try
        {
            connection.Open();
            // Views and triggers that somebody smuggled into the file must not call functions with side effects.
            Execute(connection, "PRAGMA trusted_schema = OFF");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static void Expect(SqliteConnection connection, string sql, string expected)
    {
        var answer = Scalar(connection, sql);
        if (answer != expected)
        {
            throw new StoreOpenException($"SQLite answered '{answer}' to '{sql}' where the store needs '{expected}'.");
        }
    }
}
