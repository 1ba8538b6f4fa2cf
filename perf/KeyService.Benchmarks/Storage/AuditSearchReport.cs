using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Search;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using NpgsqlTypes;

namespace KeyService.Benchmarks.Storage;

/// <summary>
/// How long an auditor waits as the log grows to 20 million records: the same questions at 100,000, 1, 5 and 20 million, each beside PostgreSQL reading the
/// whole table for the first of them, which is what there is without an index. What is asked for is checked against what was put in.
/// <code>dotnet KeyService.Benchmarks.dll audit-search SOCKET-DIRECTORY USER EMPTY-DATABASE [records] [rounds]</code>
/// </summary>
internal static class AuditSearchReport
{
    private const int PageSize = 100;
    private const int RareEvery = 100_000;
    private const int RefusedEvery = 211;
    private const string RareKey = "ehr/rare";

    private static readonly RowAuthenticator Rows = new((row, _) => new ValueTask<byte[]>(HMACSHA256.HashData(new byte[32], row.Span)));

    // Six years, whatever the count: what "a month" or "an hour" holds grows with the log.
    private static readonly DateTimeOffset Begin = new(2020, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset End = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    public static async Task RunAsync(string host, string user, string database, long records, int rounds)
    {
        var options = new PostgresStoreOptions { Host = host, Database = database, User = user, Tls = PostgresTls.None, Mode = StoreMode.Create };
        var clock = new SetClock(Begin);
        await using (var store = PostgresStore.Open(options, clock))
        {
            await NewInstallation.CreateAsync(
                store, Rows, new byte[16],
                [new IntegrityKeyBlob("perf", new byte[41], new byte[32])], "perf", PrincipalType.Person, Credential.OfUid(0), CancellationToken.None);
        }

        options = options with { Mode = StoreMode.ReadWrite };
        var step = (End - Begin).Ticks / records;
        var filled = 0L;
        foreach (var stage in new[] { 100_000L, 1_000_000, 5_000_000, 20_000_000 }.Where(stage => stage < records).Append(records))
        {
            clock.Set(Begin + TimeSpan.FromTicks(stage * step));
            var started = Stopwatch.GetTimestamp();
            await FillAsync(options, filled, stage, step);
            var filling = Stopwatch.GetElapsedTime(started);
            await using var store = PostgresStore.Open(options, clock);
            started = Stopwatch.GetTimestamp();
            using (var indexer = new AuditIndexer(new AuditLog(store), store, clock, NullLogger<AuditIndexer>.Instance))
            {
                await indexer.CatchUpAsync(CancellationToken.None);
            }

            var indexing = Stopwatch.GetElapsedTime(started);
            await store.ReadAsync(connection => connection.ExecuteAsync("SELECT 1"), CancellationToken.None);
            Analyse(options);
            Console.WriteLine(await SizesAsync(store, stage, filling, (stage - filled) / indexing.TotalSeconds));
            await AskAsync(store, options, stage, step, rounds);
            filled = stage;
        }
    }

    private static async Task AskAsync(PostgresStore store, PostgresStoreOptions options, long records, long step, int rounds)
    {
        var middle = UnixTime.Nanoseconds(Begin + TimeSpan.FromTicks(records / 2 * step));
        var hour = (long)TimeSpan.FromHours(1).TotalNanoseconds;
        var rare = Ask(key: RareKey);
        (string Name, AuditQuery Query, Func<IReadOnlyList<LoggedRecord>, bool> Right)[] questions =
        [
            ("a key used once in 100,000 records, all of it", rare, hits => hits.Count == records / RareEvery),
            ("a principal in one hour three years ago", Ask(principal: "ehr-17", from: middle, until: middle + hour), hits => hits.All(hit => hit.Record.Principal == "ehr-17")),
            ("everything in one hour", Ask(from: middle, until: middle + hour), hits => hits.Count > 0 && hits.All(hit => hit.Record.TimeUnixNanoseconds - middle is var after && after >= 0 && after < hour)),
            ("refusals of a key, the last 100", Ask(key: "ehr/notes-3", outcome: AuditOutcome.Refused), hits => hits.Count > 0 && hits.All(hit => hit.Record.Key == "ehr/notes-3")),
            ("a principal, the last 100", Ask(principal: "ehr-17"), hits => hits.Count == PageSize),
            ("an operation by a principal on a key, the last 100", Ask("ehr-17", "ehr/notes-17", [AuditEvent.FieldsEncrypted]), hits => hits.All(hit => hit.Record.Key == "ehr/notes-17")),
        ];
        foreach (var (name, query, right) in questions)
        {
            var times = new List<double>();
            var hits = new List<LoggedRecord>();
            for (var round = 0; round <= rounds; round++)
            {
                var started = Stopwatch.GetTimestamp();
                hits = await HitsAsync(store, query, all: query.Key == RareKey);
                if (round > 0)
                {
                    times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
                }

                if (!right(hits))
                {
                    throw new InvalidOperationException($"{name}: {hits.Count} hits of {records} records are not the right ones");
                }
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"search records={records:n0} question=\"{name}\" hits={hits.Count} median={Median(times):f1} ms (min {times.Min():f1}, max {times.Max():f1})"));
        }

        var scan = Scan(options, records);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"search records={records:n0} peer=\"PostgreSQL reads all for the first question\" once={scan.TotalMilliseconds:n0} ms"));
    }

    private static async Task<List<LoggedRecord>> HitsAsync(PostgresStore store, AuditQuery query, bool all)
    {
        var search = new AuditSearch(store, Rows);
        var hits = new List<LoggedRecord>();
        AuditPage? page = null;
        do
        {
            page = await search.PageAsync(query, page?.Below, PageSize, CancellationToken.None);
            hits.AddRange(page.Hits);
        }
        while (!page.IsLast && (all || hits.Count < PageSize));
        return hits;
    }

    // As the service's own writer puts them there, but for the commits: a COPY of 100,000 at a time.
    private static async Task FillAsync(PostgresStoreOptions options, long first, long past, long step)
    {
        await using var connection = PostgresConnections.OpenForSchema(options);
        var next = await connection.ExecuteScalarAsync<long>("SELECT next_sequence FROM audit_heads WHERE slot = 0");
        for (var month = Month(first, step); month <= Month(past, step); month = month.AddMonths(1))
        {
            await connection.ExecuteAsync("SELECT make_audit_partition(@at)", new { at = UnixTime.Nanoseconds(month) });
        }

        for (var done = first; done < past;)
        {
            await using var copy = await connection.BeginBinaryImportAsync(
                "COPY audit_records (slot, sequence, recorded_at, record, leaf_hash) FROM STDIN (FORMAT BINARY)");
            for (var end = Math.Min(past, done + 100_000); done < end; done++, next++)
            {
                var time = Begin + TimeSpan.FromTicks(done * step);
                var record = AuditEncoding.Encode(Draft(done), 0, next, time);
                await copy.StartRowAsync();
                await copy.WriteAsync(0L, NpgsqlDbType.Bigint);
                await copy.WriteAsync(next, NpgsqlDbType.Bigint);
                await copy.WriteAsync(UnixTime.Nanoseconds(time), NpgsqlDbType.Bigint);
                await copy.WriteAsync(record, NpgsqlDbType.Bytea);
                await copy.WriteAsync(AuditRecord.LeafHash(record), NpgsqlDbType.Bytea);
            }

            await copy.CompleteAsync();
        }

        await connection.ExecuteAsync("UPDATE audit_heads SET next_sequence = @next WHERE slot = 0", new { next });
    }

    private static DateTimeOffset Month(long record, long step)
    {
        var time = Begin + TimeSpan.FromTicks(record * step);
        return new DateTimeOffset(time.Year, time.Month, 1, 0, 0, 0, TimeSpan.Zero);
    }

    // 300 principals, 1,000 keys, of which few are busy: the square of an even draw.
    private static AuditRecordDraft Draft(long n)
    {
        var drawn = (ulong)n * 0x9E3779B97F4A7C15;
        var even = (drawn >> 40) / (double)(1 << 24);
        var draft = StoreThroughput.Draft();
        draft.Event = (drawn & 15) switch { 0 => AuditEvent.DataKeyUnwrapped, 1 or 2 => AuditEvent.FieldsEncrypted, _ => AuditEvent.FieldsDecrypted };
        draft.Principal = $"ehr-{(drawn >> 20) % 300}";
        draft.Key = n % RareEvery == 77 ? RareKey : $"ehr/notes-{(int)(even * even * 1000)}";
        draft.Outcome = n % RefusedEvery == 5 ? AuditOutcome.Refused : AuditOutcome.Success;
        draft.Reason = draft.Outcome == AuditOutcome.Refused ? "ACCESS_DENIED" : "";
        return draft;
    }

    private static AuditQuery Ask(
        string? principal = null, string? key = null, IReadOnlyList<AuditEvent>? events = null, AuditOutcome? outcome = null,
        long from = long.MinValue, long until = long.MaxValue) => new(principal, key, events ?? [], outcome, ContextDigest: null, from, until);

    private static TimeSpan Scan(PostgresStoreOptions options, long records)
    {
        using var connection = PostgresConnections.OpenForSchema(options);
        var started = Stopwatch.GetTimestamp();
        var found = connection.ExecuteScalar<long>(
            "SELECT count(*) FROM audit_records WHERE position(@key::bytea IN record) > 0", new { key = System.Text.Encoding.ASCII.GetBytes(RareKey) },
            commandTimeout: 0);
        var took = Stopwatch.GetElapsedTime(started);
        return found >= records / RareEvery ? took : throw new InvalidOperationException("the scan found too few");
    }

    private static void Analyse(PostgresStoreOptions options)
    {
        using var connection = PostgresConnections.OpenForSchema(options);
        connection.Execute("VACUUM ANALYZE", commandTimeout: 0);
    }

    private static Task<string> SizesAsync(PostgresStore store, long records, TimeSpan filling, double indexed) => store.ReadAsync(
        async connection =>
        {
            var log = await connection.ExecuteScalarAsync<long>(
                "SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits WHERE inhparent = 'audit_records'::regclass");
            var index = await connection.ExecuteScalarAsync<long>(
                "SELECT (pg_total_relation_size('audit_terms') + pg_total_relation_size('audit_segments'))::bigint");
            return string.Create(CultureInfo.InvariantCulture,
                $"search records={records:n0} log={log / 1e6:n0} MB index={index / 1e6:n1} MB ({(double)index / records:f2} bytes a record) filled in {filling.TotalSeconds:n0} s, indexed {indexed:n0} records/s");
        },
        CancellationToken.None);

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    private sealed class SetClock(DateTimeOffset now) : TimeProvider
    {
        private DateTimeOffset _now = now;

        public void Set(DateTimeOffset now) => _now = now;

        public override DateTimeOffset GetUtcNow() => _now;
    }
}
