using System.Diagnostics;
using Microsoft.Data.Sqlite;

namespace KeyService.Load;

/// <summary>What one durable commit of one row costs on this disk: SQLite, WAL, synchronous=FULL, one at a time.</summary>
internal static class LoneCommit
{
    public static Rate Measure(string folder, TimeSpan duration)
    {
        var path = Path.Combine(folder, $"lone-commit-{Environment.ProcessId}.db");
        try
        {
            using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
            connection.Open();
            Execute(connection, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE r(n INTEGER PRIMARY KEY, b BLOB NOT NULL)");
            using var insert = connection.CreateCommand();
            insert.CommandText = "INSERT INTO r(b) VALUES ($b)";
            insert.Parameters.AddWithValue("$b", new byte[250]);
            var times = new List<double>();
            var clock = Stopwatch.StartNew();
            while (clock.Elapsed < duration)
            {
                var begin = Stopwatch.GetTimestamp();
                using (var transaction = connection.BeginTransaction())
                {
                    insert.Transaction = transaction;
                    insert.ExecuteNonQuery();
                    transaction.Commit();
                }

                times.Add(Stopwatch.GetElapsedTime(begin).TotalMicroseconds);
            }

            times.Sort();
            return new Rate(times.Count / clock.Elapsed.TotalSeconds, times[times.Count / 2], times[(int)(times.Count * 0.99)], times.Count);
        }
        finally
        {
            foreach (var suffix in new[] { "", "-wal", "-shm" })
            {
                File.Delete(path + suffix);
            }
        }
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
