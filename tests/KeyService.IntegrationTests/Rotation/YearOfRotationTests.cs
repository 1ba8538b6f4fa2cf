using Dapper;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.IntegrationTests.Hsm;
using KeyService.IntegrationTests.Storage;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.DataKeys;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Rotation;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Server.Trust;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using KeyPurpose = KeyService.Server.Keys.KeyPurpose;
using KeyState = KeyService.Server.Keys.KeyState;
using RotationPolicy = KeyService.Server.Keys.RotationPolicy;

namespace KeyService.IntegrationTests.Rotation;

/// <summary>
/// A year in a minute: keys live 400 days on three replicas of one PostgreSQL database, which end at random, and for a month nobody
/// rotates. The clock is the test's. At every moment each key is inside its policy or visibly refused, and at the end everything opens that
/// was ever protected.
/// </summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class YearOfRotationTests(SoftHsmDirectory softHsm, PostgresFixture postgres)
    : IClassFixture<SoftHsmDirectory>, IClassFixture<PostgresFixture>
{
    private const int Days = 400;
    // From before the third rotation of 90 days until past the 95 days that some have at most.
    private static readonly Range NobodyRotates = 265..295;
    private static readonly Server.DataKeys.DataKeyBinding Binding = new(AadPurpose.DataKeyGeneral, [], EncryptionContext.Empty);

    private static readonly RotationPolicy[] Policies =
    [
        RotationPolicy.Default, // 90 and 180 days
        Policy(90, 95),
        Policy(120, 180),
        Policy(180, 180),
    ];

    [Fact]
    [Trait("Duration", "long")]
    public Task Two_hundred_keys_live_four_hundred_days_on_three_replicas_that_end_at_random() => LiveAsync(keys: 200);

    // The same life of fewer keys, for every run.
    [Fact]
    public Task Sixteen_keys_live_four_hundred_days_on_three_replicas_that_end_at_random() => LiveAsync(keys: 16);

    private async Task LiveAsync(int keys)
    {
        var random = new Random(20261128);
        var time = new StandingTime();
        var rows = SoftwareRows.Of();
        var database = await PostgresDatabase.MakeAsync(postgres);
        await using var token = await softHsm.OpenWithHierarchyAsync();
        await using var observing = database.Open(time);
        await SoftwareRows.InstallAsync(observing, rows);
        using var observer = new KeyRing(observing, rows, token, time, capacity: 10_000);
        var kekSource = token.KekSource;
        var replicas = new List<Replica>();
        for (var i = 0; i < 3; i++)
        {
            replicas.Add(await NewReplicaAsync());
        }

        var names = await CreateKeysAsync(replicas[0], keys);
        var wrapped = new List<byte[]>();
        var (ended, refused) = (0, 0);
        for (var day = 0; day < Days; day++)
        {
            time.Pass(TimeSpan.FromDays(1));
            foreach (var replica in replicas)
            {
                await replica.Follower.FollowAsync(CancellationToken.None);
            }

            if (random.Next(20) == 0)
            {
                var gone = random.Next(replicas.Count);
                await replicas[gone].DisposeAsync();
                replicas[gone] = await NewReplicaAsync();
                ended++;
            }

            // Some days the one that rotates ends before it is through, and for a month there is none.
            if (day < NobodyRotates.Start.Value || day >= NobodyRotates.End.Value)
            {
                await replicas[random.Next(replicas.Count)].RotateAsync(random.Next(10) == 0 ? random.Next(5) : int.MaxValue);
            }

            foreach (var replica in replicas)
            {
                await replica.Follower.FollowAsync(CancellationToken.None);
            }

            var standings = await StandingsAsync();
            for (var i = 0; i < keys; i++)
            {
                var replica = replicas[random.Next(replicas.Count)];
                var (age, limit, state) = standings[names[i]];
                try
                {
                    wrapped.Add(await replica.GenerateAsync(names[i]));
                    Assert.True(state == KeyState.Active && age <= limit, $"day {day}: {names[i]} protected at an age of {age.TotalDays} days, {state}");
                }
                catch (Refusal refusal)
                {
                    Assert.Equal(Reason.KeyOverdue, refusal.Reason);
                    Assert.True(age > limit, $"day {day}: {names[i]} was refused at an age of {age.TotalDays} days");
                    refused++;
                }
            }
        }

        // The month without rotation reached past the limits of some, and of no others.
        Assert.InRange(refused, 1, keys / 4 * (NobodyRotates.End.Value - NobodyRotates.Start.Value));
        Assert.True(ended > 5, $"{ended} replicas ended");
        var last = await NewReplicaAsync();
        await last.RotateAsync(int.MaxValue);
        foreach (var each in wrapped)
        {
            Assert.True(await last.TryOpenAsync(each));
        }

        for (var i = 0; i < keys; i++)
        {
            var row = (await ReadAsync(connection => new KeyTables(rows).FindKeyAsync(connection, null, names[i], default)))!;
            Assert.Equal(2, row.WaitingVersions);
            // As often as the period fits, less what the month without rotation cost at most.
            Assert.InRange(row.VersionCount, 3 + (Days - 31) / (long)row.Rotation.Period.TotalDays - 1, 3 + Days / (long)row.Rotation.Period.TotalDays + 1);
        }

        await last.DisposeAsync();
        foreach (var replica in replicas)
        {
            await replica.DisposeAsync();
        }

        async Task<Replica> NewReplicaAsync()
        {
            var replica = new Replica(database.Open(time), SoftwareRows.Of(), token, time);
            await replica.Follower.FollowAsync(CancellationToken.None);
            // The token asks whoever was made last, and that one may be gone.
            token.KekSource = kekSource;
            return replica;
        }

        // Past the service: as the database has it.
        async Task<Dictionary<string, (TimeSpan Age, TimeSpan Limit, KeyState State)>> StandingsAsync() =>
            (await ReadAsync(connection => connection.QueryAsync<(string Name, long Limit, long ActivatedAt, long State)>(
                "SELECT k.name, k.limit_seconds, v.activated_at, v.state FROM keys k JOIN key_versions v ON v.id = k.primary_version")))
            .ToDictionary(
                each => each.Name,
                each => (time.GetUtcNow() - UnixTime.FromNanoseconds(each.ActivatedAt), TimeSpan.FromSeconds(each.Limit), (KeyState)each.State));

        Task<T> ReadAsync<T>(Func<System.Data.Common.DbConnection, Task<T>> read) => observing.ReadAsync(read, CancellationToken.None);
    }

    private static RotationPolicy Policy(int period, int limit) => new(TimeSpan.FromDays(period), TimeSpan.FromDays(limit), TimeSpan.FromDays(14));

    private static async Task<List<string>> CreateKeysAsync(Replica replica, int keys)
    {
        var names = new List<string>();
        for (var i = 0; i < keys; i++)
        {
            names.Add($"year/{i:000}");
            await replica.CreateAsync(names[i], Policies[i % Policies.Length]);
        }

        return names;
    }

    /// <summary>What one server of an installation does about keys.</summary>
    private sealed class Replica : IAsyncDisposable
    {
        private readonly PostgresStore _store;
        private readonly KeyRing _ring;
        private readonly KeyMaker _maker;
        private readonly KeyChanges _changes;
        private readonly RotationWorker _worker;
        private readonly DataKeyMaker _dataKeys;

        public Replica(PostgresStore store, RowAuthenticator rows, HsmToken token, TimeProvider time)
        {
            _store = store;
            _ring = new KeyRing(store, rows, token, time, capacity: 10_000);
            _maker = new KeyMaker(token, rows);
            _changes = new KeyChanges(_ring, _maker, rows);
            var alarms = new AlarmOutlet(NullLogger<AlarmOutlet>.Instance);
            var gate = new ActivationGate(Required: false, (_, _) => Task.FromResult(true), () => { });
            _worker = new RotationWorker(
                store, _ring, new KeyRotation(store, rows, _maker, _changes, gate, alarms, time), _changes, new RotationLedger(store),
                new RotationConfiguration(), time, NullLogger<RotationWorker>.Instance);
            _dataKeys = new DataKeyMaker(_ring, token, time);
            Follower = new ChangeFollower(
                store, FollowedTables.Of(_ring, new AccessRegister(time), rows), null, alarms, time, NullLogger<ChangeFollower>.Instance);
            store.Hooks.BeforeChanges = connection => Follower.CatchUpAsync(connection, CancellationToken.None);
        }

        public ChangeFollower Follower { get; }

        public async Task CreateAsync(string name, RotationPolicy policy)
        {
            Assert.True(KeyName.TryParse(name, out var keyName));
            var version = await _maker.MakeAsync(default);
            await _store.CommitAsync(
                new AuditRecordDraft(AuditEvent.KeyCreated),
                transaction => _changes.CreateAsync(transaction, keyName, KeyPurpose.EncryptDecrypt, policy, version, KeyState.Active, "administrator"),
                default);
        }

        /// <summary>Has the role for a look, and does at most so much in it.</summary>
        public async Task RotateAsync(int limit)
        {
            StoreRole? taken = null;
            // A replica that gave the role back, or ended, has closed its session: PostgreSQL lets go of the lock when its process has noticed.
            await Until.TrueAsync(async () => (taken = await _store.TryTakeRoleAsync("rotation", CancellationToken.None)) is not null, "the role of rotation");
            await using var role = taken;
            await _worker.LookAsync(limit, CancellationToken.None);
        }

        public async Task<byte[]> GenerateAsync(string name)
        {
            var version = await _dataKeys.FindForWrappingAsync(name, default);
            using var plaintext = new PlaintextKeys(1);
            var wrapped = new byte[WrappedDataKey.Length];
            await _dataKeys.GenerateAsync(version, Binding, null, 1, plaintext, wrapped, default);
            return wrapped;
        }

        public async Task<bool> TryOpenAsync(byte[] wrapped)
        {
            Assert.True(WrappedDataKey.TryParse(wrapped, out var parsed));
            using var plaintext = new PlaintextKeys(1);
            return await _dataKeys.TryUnwrapAsync((await _ring.FindVersionAsync(parsed.VersionId, default))!, Binding, wrapped, plaintext, default);
        }

        public async ValueTask DisposeAsync()
        {
            _worker.Dispose();
            Follower.Dispose();
            await _store.DisposeAsync();
            _ring.Dispose();
        }
    }
}
