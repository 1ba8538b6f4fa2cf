using System.Diagnostics;
using System.Security.Cryptography;
using KeyService.Benchmarks.Hsm;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Rotation;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;

namespace KeyService.Benchmarks.Keys;

/// <summary>
/// P9. Creating, listing, rotating and looking up keys in a database of a million keys and ten million versions, beside the same in one of a
/// thousand keys, both on one server, calls interleaved, medians of rounds; and what a start costs. Keys are made in a real token; MACs are by
/// a key in software on both sides.
/// <code>dotnet KeyService.Benchmarks.dll keys-at-size SOCKET-DIRECTORY USER EMPTY-DATABASE EMPTY-DATABASE [keys [rounds]]</code>
/// </summary>
internal static class KeysAtSizeReport
{
    private const int SmallKeys = 1000;
    private const int VersionsOfKey = 10;
    private const int CallsOfRound = 100;

    public static async Task RunAsync(string host, string user, string small, string large, int keys, int rounds)
    {
        await using var benchmark = await BenchmarkToken.CreateAsync();
        await using var few = await Bed.MakeAsync(host, user, small, benchmark.Token, SmallKeys);
        await using var many = await Bed.MakeAsync(host, user, large, benchmark.Token, keys);
        foreach (var (what, run) in new (string, Func<Bed, Task>)[]
        {
            ("create", bed => bed.CreateAsync()), ("list a page of 100", bed => bed.ListAsync()), ("rotate", bed => bed.RotateAsync()),
            ("look up", bed => bed.LookUpAsync()), ("due for rotation", bed => bed.LookForDueAsync()),
        })
        {
            List<double> fewTimes = [], manyTimes = [], ratios = [];
            for (var round = 0; round <= rounds; round++)
            {
                var one = await TimeAsync(few, run);
                var other = await TimeAsync(many, run);
                // The first round warms up.
                if (round > 0)
                {
                    fewTimes.Add(one);
                    manyTimes.Add(other);
                    ratios.Add(other / one);
                }
            }

            Console.WriteLine(
                $"P9 {what}: keys={keys:n0} versions={keys * VersionsOfKey:n0} at 1,000 keys={Median(fewTimes):f3}ms here={Median(manyTimes):f3}ms "
                + $"ratio={Median(ratios):f2} (min {ratios.Min():f2}, max {ratios.Max():f2})");
        }

        List<double> starts = [];
        for (var round = 0; round < rounds; round++)
        {
            starts.Add(await many.StartAsync());
        }

        Console.WriteLine($"P9 start: keys={keys:n0} until the first key can protect={Median(starts):f2}s");
    }

    private static async Task<double> TimeAsync(Bed bed, Func<Bed, Task> run)
    {
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < CallsOfRound; i++)
        {
            await run(bed);
        }

        return Stopwatch.GetElapsedTime(start).TotalMilliseconds / CallsOfRound;
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    /// <summary>A database of so many keys, and what a server does with it.</summary>
    private sealed class Bed : IAsyncDisposable
    {
        private readonly PostgresStoreOptions _options;
        private readonly HsmToken _token;
        private readonly PostgresStore _store;
        private readonly int _keys;
        private readonly Random _random = new(1);
        private readonly KeyRing _ring;
        private readonly KeyMaker _maker;
        private readonly KeyChanges _changes;
        private readonly KeyQueries _queries;
        private readonly RotationLedger _ledger;
        private int _made;

        private Bed(PostgresStoreOptions options, HsmToken token, PostgresStore store, RowAuthenticator rows, int keys)
        {
            _options = options;
            _token = token;
            _store = store;
            _keys = keys;
            _ring = new KeyRing(store, rows, token, TimeProvider.System, capacity: 10_000);
            _maker = new KeyMaker(token, rows);
            _changes = new KeyChanges(_ring, _maker, rows);
            _queries = new KeyQueries(store, rows);
            _ledger = new RotationLedger(store);
        }

        public static async Task<Bed> MakeAsync(string host, string user, string database, HsmToken token, int keys)
        {
            var options = new PostgresStoreOptions { Host = host, Database = database, User = user, Tls = PostgresTls.None, Mode = StoreMode.Create };
            var store = PostgresStore.Open(options, TimeProvider.System);
            // What a server has seen of one database says nothing of another.
            var rows = SoftwareRows();
            await NewInstallation.CreateAsync(
                store, rows, new byte[16], [new IntegrityKeyBlob("perf", new byte[41], new byte[32])], "perf", PrincipalType.Person, Credential.OfUid(0),
                CancellationToken.None);
            var start = Stopwatch.GetTimestamp();
            await new KeyFilling(host, user, database, rows).RunAsync(keys, VersionsOfKey);
            await store.CommitAsync(new AuditRecordDraft(AuditEvent.KeyCreated) { Automated = true }, transaction => KeyFilling.CountAsync(transaction, rows, keys), CancellationToken.None);
            Console.WriteLine($"# {keys:n0} keys with {VersionsOfKey} versions each filled in {Stopwatch.GetElapsedTime(start).TotalSeconds:f0} s");
            return new Bed(options, token, store, rows, keys);
        }

        public async Task CreateAsync()
        {
            KeyName.TryParse($"made/{_made++:0000000}", out var name);
            var version = await _maker.MakeAsync(default);
            await _store.CommitAsync(
                new AuditRecordDraft(AuditEvent.KeyCreated) { Automated = true },
                transaction => _changes.CreateAsync(transaction, name, KeyPurpose.EncryptDecrypt, RotationPolicy.Default, version, KeyState.Active, "perf"),
                default);
            await _maker.DiscardAsync(version);
        }

        public async Task RotateAsync()
        {
            var version = await _maker.MakeAsync(default);
            await _store.CommitAsync(
                new AuditRecordDraft(AuditEvent.KeyRotated) { Automated = true },
                transaction => _changes.RotateAsync(transaction, SomeName(), version, new StateChange(transaction.Time, "perf", "measured")), default);
            await _maker.DiscardAsync(version);
        }

        public async Task ListAsync()
        {
            var names = await _queries.ListNamesAsync("", SomeName(), 100, default);
            if ((await _queries.FindAsync(names, default)).Count != 100)
            {
                throw new InvalidOperationException("Keys are missing");
            }
        }

        public async Task LookUpAsync() => _ = await _queries.FindAsync(SomeName(), default) ?? throw new InvalidOperationException("A key is missing");

        public Task LookForDueAsync() => _ledger.ListAsync(TimeProvider.System.GetUtcNow(), CalendarPlace.Start, 100, default);

        /// <summary>Seconds from nothing in memory until a key may protect: connection, register of access, register of keys, the key.</summary>
        public async Task<double> StartAsync()
        {
            var start = Stopwatch.GetTimestamp();
            await using var store = PostgresStore.Open(_options with { Mode = StoreMode.ReadWrite }, TimeProvider.System);
            var rows = SoftwareRows();
            await AccessRegister.LoadAsync(store, rows, TimeProvider.System, default);
            using var ring = new KeyRing(store, rows, _token, TimeProvider.System, capacity: 10_000);
            _ = await ring.FindForProtectionAsync(SomeName(), default) ?? throw new InvalidOperationException("A key is missing");
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        public async ValueTask DisposeAsync()
        {
            _ring.Dispose();
            await _store.DisposeAsync();
        }

        private string SomeName() => KeyFilling.NameOf(_random.Next(_keys - 200));

        private static RowAuthenticator SoftwareRows()
        {
            var key = new byte[32];
            return new RowAuthenticator((row, _) => ValueTask.FromResult(HMACSHA256.HashData(key, row.Span)));
        }
    }
}
