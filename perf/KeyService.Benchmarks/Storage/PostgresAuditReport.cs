using System.Diagnostics;
using System.Security.Cryptography;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using Npgsql;
using NpgsqlTypes;

namespace KeyService.Benchmarks.Storage;

/// <summary>
/// P8. Records per second through the store's group commit, beside one session that copies the same bytes into the same kind of table with as many
/// rows a transaction as the groups had, rounds interleaved, medians; and the same while the log is indexed, copied, looked through and signed. Then the walk of the verifier over a log, beside a bare loop that hashes the same bytes.
/// <code>dotnet KeyService.Benchmarks.dll postgres-audit SOCKET-DIRECTORY USER EMPTY-DATABASE [rounds]</code>
/// </summary>
internal static class PostgresAuditReport
{
    private const int Records = 100_000;

    public static async Task RunAsync(string host, string user, string database, int rounds)
    {
        var options = new PostgresStoreOptions { Host = host, Database = database, User = user, Tls = PostgresTls.None, Mode = StoreMode.Create };
        var rows = SoftwareRows();
        await using var store = PostgresStore.Open(options, TimeProvider.System);
        await NewInstallation.CreateAsync(
            store, rows, new byte[16], [new IntegrityKeyBlob("perf", new byte[41], new byte[32])], "perf", PrincipalType.Person, Credential.OfUid(0),
            CancellationToken.None);
        using var copy = new BareCopy(options);
        foreach (var callers in new[] { 64, 256, 2000 })
        {
            await CompareAsync(store, copy, callers, rounds, rows);
        }

        foreach (var name in LogFollowers.Names)
        {
            await FollowAsync(store, rows, name, rounds);
        }

        await VerifyAsync(store, rows, rounds);
    }

    private static async Task CompareAsync(PostgresStore store, BareCopy copy, int callers, int rounds, RowAuthenticator rows)
    {
        List<double> through = [], bare = [], ratios = [], followed = [], followedRatios = [];
        long batch = 0;
        for (var round = 0; round <= rounds; round++)
        {
            var (rate, mean) = await ThroughAsync(store, callers);
            batch = mean;
            var peer = copy.Run(Records, (int)mean);
            double whileFollowed;
            await using (await LogFollowers.StartAsync(store, rows, LogFollowers.Names))
            {
                (whileFollowed, _) = await ThroughAsync(store, callers);
            }

            // The first round warms up.
            if (round > 0)
            {
                through.Add(rate);
                bare.Add(peer);
                ratios.Add(rate / peer);
                followed.Add(whileFollowed);
                followedRatios.Add(whileFollowed / peer);
            }
        }

        Console.WriteLine($"P8 group commit callers={callers}: records a group={batch} store={Median(through):n0}/s copy={Median(bare):n0}/s ratio={Median(ratios):f2} (min {ratios.Min():f2}, max {ratios.Max():f2})");
        Console.WriteLine($"P8 followed callers={callers}: store={Median(followed):n0}/s ratio={Median(followedRatios):f2} (min {followedRatios.Min():f2}, max {followedRatios.Max():f2}), while the log is indexed, copied to a directory, looked through and signed");
    }

    // What each follower alone takes away, and what processor time all of them are.
    private static async Task FollowAsync(PostgresStore store, RowAuthenticator rows, string name, int rounds)
    {
        List<double> alone = [], followed = [], aloneTime = [], followedTime = [];
        for (var round = 0; round <= rounds; round++)
        {
            var (rate, time) = await TimedAsync(store);
            double whileFollowed, followedBy;
            await using (await LogFollowers.StartAsync(store, rows, [name]))
            {
                (whileFollowed, followedBy) = await TimedAsync(store);
            }

            if (round > 0)
            {
                alone.Add(rate);
                followed.Add(whileFollowed);
                aloneTime.Add(time);
                followedTime.Add(followedBy);
            }
        }

        Console.WriteLine($"P8 followed by {name} alone, callers=2000: store={Median(followed):n0}/s against {Median(alone):n0}/s; processor time of this process a record {Median(followedTime):f1} us against {Median(aloneTime):f1} us");
    }

    private static async Task<(double Rate, double Microseconds)> TimedAsync(PostgresStore store)
    {
        var before = Environment.CpuUsage.TotalTime;
        var (rate, _) = await ThroughAsync(store, 2000);
        return (rate, (Environment.CpuUsage.TotalTime - before).TotalMicroseconds / Records);
    }

    private static async Task<(double Rate, long Batch)> ThroughAsync(PostgresStore store, int callers)
    {
        var first = store.LastSequence + 1;
        var each = Records / callers;
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < each; i++)
            {
                await store.CommitAsync(StoreThroughput.Draft(), null, CancellationToken.None);
            }
        })));
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var done = (long)each * callers;
        var (count, groups) = await store.ReadAsync(
            connection => connection.QuerySingleAsync<(long, long)>(
                "SELECT count(*), count(DISTINCT recorded_at) FROM audit_records WHERE sequence >= @first", new { first }),
            CancellationToken.None);
        return count >= done ? (done / seconds, Math.Max(1, done / groups)) : throw new InvalidOperationException($"{count} records of {done} are there");
    }

    private static async Task VerifyAsync(PostgresStore store, RowAuthenticator rows, int rounds)
    {
        var log = await store.ReadAsync(
            async connection => (await connection.QueryAsync<byte[]>("SELECT record FROM audit_records ORDER BY sequence")).AsList(), CancellationToken.None);
        List<double> verifier = [], bare = [], ratios = [];
        for (var round = 0; round <= rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            var report = await new AuditVerification(new AuditLog(store, store.Slot), store, rows).RunAsync(CancellationToken.None);
            var walked = report.Records / Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (report.Findings.Count > 0 || report.Records != log.Count)
            {
                throw new InvalidOperationException(report.Findings is [var finding, ..] ? finding.Finding : "records are missing");
            }

            start = Stopwatch.GetTimestamp();
            var sum = 0;
            foreach (var record in log)
            {
                sum += SHA256.HashData(record)[0];
            }

            var hashed = log.Count / Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (round > 0 && sum >= 0)
            {
                verifier.Add(walked);
                bare.Add(hashed);
                ratios.Add(walked / hashed);
            }
        }

        Console.WriteLine($"P8 verification: records={log.Count:n0} bytes={log.Sum(record => (long)record.Length):n0} verifier={Median(verifier):n0}/s loop={Median(bare):n0}/s ratio={Median(ratios):f2} (reading from the database included)");
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    private static RowAuthenticator SoftwareRows()
    {
        var key = new byte[32];
        return new RowAuthenticator((row, _) => ValueTask.FromResult(HMACSHA256.HashData(key, row.Span)));
    }

    /// <summary>What PostgreSQL itself takes: the same rows, one COPY and one COMMIT a batch, nothing made or hashed in between.</summary>
    private sealed class BareCopy : IDisposable
    {
        private readonly NpgsqlConnection _connection;
        private readonly byte[] _record = AuditEncoding.Encode(StoreThroughput.Draft(), 0, 1_000_000, TimeProvider.System.GetUtcNow());
        private readonly byte[] _hash = new byte[32];
        private readonly long _now = UnixTime.Nanoseconds(TimeProvider.System.GetUtcNow());
        private long _sequence;

        public BareCopy(PostgresStoreOptions options)
        {
            _connection = PostgresConnections.OpenForSchema(options);
            _connection.Execute("CREATE TABLE bare_records (LIKE audit_records INCLUDING ALL) PARTITION BY RANGE (recorded_at)");
            _connection.Execute("CREATE TABLE bare_records_all PARTITION OF bare_records DEFAULT");
        }

        public double Run(int records, int batch)
        {
            var start = Stopwatch.GetTimestamp();
            var done = 0;
            while (done < records)
            {
                // A COPY outside a transaction is one of its own: committed when it ends.
                using var copy = _connection.BeginBinaryImport(
                    "COPY bare_records (slot, sequence, recorded_at, record, leaf_hash) FROM STDIN (FORMAT BINARY)");
                for (var i = 0; i < batch; i++)
                {
                    copy.StartRow();
                    copy.Write(0L, NpgsqlDbType.Bigint);
                    copy.Write(_sequence++, NpgsqlDbType.Bigint);
                    copy.Write(_now, NpgsqlDbType.Bigint);
                    copy.Write(_record, NpgsqlDbType.Bytea);
                    copy.Write(_hash, NpgsqlDbType.Bytea);
                }

                copy.Complete();
                done += batch;
            }

            return done / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        public void Dispose()
        {
            _connection.Execute("DROP TABLE bare_records");
            _connection.Dispose();
        }
    }
}
