using System.Diagnostics;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using Microsoft.Data.Sqlite;

namespace KeyService.Benchmarks.Storage;

/// <summary>
/// Records per second through the store's group commit beside a bare SQLite loop (same settings, one thread, prepared insert of the same bytes) in the same
/// run: interleaved rounds, medians. Every run counts what it finds in the file afterwards.
/// <code>dotnet KeyService.Benchmarks.dll store [directory] [rounds]</code>
/// </summary>
internal static class StoreThroughput
{
    private const int Records = 20_000;
    private const int LoneCommits = 1_000;

    public static async Task RunAsync(string directory, int rounds)
    {
        var results = new SortedDictionary<string, List<double>>(StringComparer.Ordinal);
        for (var round = 0; round <= rounds; round++)
        {
            foreach (var perTransaction in new[] { 1, 10, 100 })
            {
                Note(results, round, $"bare loop, {perTransaction,3} a transaction, records/s", Bare(directory, perTransaction == 1 ? LoneCommits * 2 : Records, perTransaction));
            }

            foreach (var callers in new[] { 10, 64, 256 })
            {
                Note(results, round, $"store, {callers,3} callers, records/s", await StoreAsync(directory, callers, Records));
            }

            var (p50, p99) = await LoneAsync(directory);
            Note(results, round, "store, lone commit p50, us", p50);
            Note(results, round, "store, lone commit p99, us", p99);
            (p50, p99) = BareLone(directory);
            Note(results, round, "bare loop, lone commit p50, us", p50);
            Note(results, round, "bare loop, lone commit p99, us", p99);
        }

        foreach (var (name, values) in results)
        {
            values.Sort();
            Console.WriteLine($"{name,-45} median {values[values.Count / 2],12:n0}   min {values[0],12:n0}   max {values[^1],12:n0}");
        }
    }

    private static void Note(SortedDictionary<string, List<double>> results, int round, string name, double value)
    {
        // The first round warms up.
        if (round > 0)
        {
            (results.TryGetValue(name, out var values) ? values : results[name] = []).Add(value);
        }
    }

    private static async Task<double> StoreAsync(string directory, int callers, int records)
    {
        using var folder = new Folder(directory);
        await using var store = SqliteStore.Open(new SqliteStoreOptions { Path = folder.File, Mode = StoreMode.Create }, TimeProvider.System);
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < records / callers; i++)
            {
                await store.CommitAsync(Draft(), null, CancellationToken.None);
            }
        })));
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var done = (long)(records / callers) * callers;
        return store.LastSequence == done - 1 ? done / seconds : throw new InvalidOperationException("records are missing");
    }

    private static async Task<(double P50, double P99)> LoneAsync(string directory)
    {
        using var folder = new Folder(directory);
        await using var store = SqliteStore.Open(new SqliteStoreOptions { Path = folder.File, Mode = StoreMode.Create }, TimeProvider.System);
        var times = new double[LoneCommits];
        for (var i = 0; i < times.Length; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await store.CommitAsync(Draft(), null, CancellationToken.None);
            times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        return Percentiles(times);
    }

    private static double Bare(string directory, int records, int perTransaction)
    {
        using var loop = new BareLoop(directory);
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < records; i += perTransaction)
        {
            loop.Commit(perTransaction);
        }

        return records / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static (double P50, double P99) BareLone(string directory)
    {
        using var loop = new BareLoop(directory);
        var times = new double[LoneCommits];
        for (var i = 0; i < times.Length; i++)
        {
            var start = Stopwatch.GetTimestamp();
            loop.Commit(1);
            times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        return Percentiles(times);
    }

    private static (double P50, double P99) Percentiles(double[] times)
    {
        Array.Sort(times);
        return (times[times.Length / 2], times[times.Length * 99 / 100]);
    }

    internal static AuditRecordDraft Draft() => new(AuditEvent.DataKeyGenerated)
    {
        Principal = "ehr-database",
        Authentication = "mtls",
        Source = "127.0.0.1:50312",
        Key = "ehr/records",
        KeyVersion = new KeyVersionId(0x0123456789abcdef),
        ContextDigest = new byte[32],
        ItemCount = 1,
        TraceId = "0af7651916cd43dd8448eb211c80319c",
        Duration = TimeSpan.FromMicroseconds(120),
        Automated = true,
    };

    private sealed class Folder(string parent) : IDisposable
    {
        private readonly DirectoryInfo _directory = Directory.CreateDirectory(Path.Combine(parent, Path.GetRandomFileName()));

        public string File => Path.Combine(_directory.FullName, "store.db");

        public void Dispose() => _directory.Delete(recursive: true);
    }

    private sealed class BareLoop : IDisposable
    {
        private readonly Folder _folder;
        private readonly SqliteConnection _connection;
        private readonly SqliteCommand _begin, _insert, _commit;
        private readonly byte[] _record = AuditEncoding.Encode(Draft(), 0, 0, DateTimeOffset.UnixEpoch);
        private readonly byte[] _hash = new byte[32];
        private long _sequence;

        public BareLoop(string directory)
        {
            _folder = new Folder(directory);
            _connection = SqliteConnections.OpenWriter(_folder.File, create: true);
            SqliteConnections.Execute(
                _connection, "CREATE TABLE log (slot INTEGER, sequence INTEGER, record BLOB, leaf_hash BLOB, PRIMARY KEY (slot, sequence)) STRICT, WITHOUT ROWID");
            _begin = Command("BEGIN IMMEDIATE");
            _commit = Command("COMMIT");
            _insert = Command("INSERT INTO log VALUES (0, $sequence, $record, $hash)");
            _insert.Parameters.AddWithValue("$sequence", 0L);
            _insert.Parameters.AddWithValue("$record", _record);
            _insert.Parameters.AddWithValue("$hash", _hash);
        }

        public void Commit(int records)
        {
            _begin.ExecuteNonQuery();
            for (var i = 0; i < records; i++)
            {
                _insert.Parameters[0].Value = _sequence++;
                _insert.ExecuteNonQuery();
            }

            _commit.ExecuteNonQuery();
        }

        public void Dispose()
        {
            _begin.Dispose();
            _insert.Dispose();
            _commit.Dispose();
            _connection.Dispose();
            _folder.Dispose();
        }

        private SqliteCommand Command(string sql)
        {
            var command = _connection.CreateCommand();
            command.CommandText = sql;
            return command;
        }
    }
}
