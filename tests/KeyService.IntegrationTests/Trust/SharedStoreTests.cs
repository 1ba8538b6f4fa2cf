using System.Diagnostics;
using KeyService.Crypto;
using KeyService.IntegrationTests.Storage;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Server.Trust;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.IntegrationTests.Trust;

/// <summary>Two servers on one PostgreSQL database: what one changes the other follows, and hands in the database are found.</summary>
public sealed class SharedStoreTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyservice-trust-");
    private PostgresDatabase _database = null!;
    private Server _one = null!;
    private Server _other = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await PostgresDatabase.MakeAsync(postgres);
        var first = _database.Open(TimeProvider.System);
        await SoftwareRows.InstallAsync(first, SoftwareRows.Of());
        _one = await Server.StartAsync(first, Folder("one"));
        _other = await Server.StartAsync(_database.Open(TimeProvider.System), Folder("other"));
        await _one.ChangeAsync(transaction => _one.Administration.CreatePrincipalAsync(transaction, "ehr", PrincipalType.Service, Credential.OfUid(2000)));
    }

    public async ValueTask DisposeAsync()
    {
        await _one.DisposeAsync();
        await _other.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_removed_grant_is_refused_by_the_other_server_within_a_second_of_the_notice()
    {
        await _other.ListenAsync();
        var grant = await GrantAsync();
        await UntilAsync(() => _other.Allows("ehr"), TimeSpan.FromSeconds(5));
        await _one.ChangeAsync(transaction => _one.Administration.RevokeGrantAsync(transaction, grant.Id, grant.IdText));
        await UntilAsync(() => !_other.Allows("ehr"), TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Without_notices_a_look_every_two_seconds_does_it()
    {
        await _other.FollowAsync();
        var grant = await GrantAsync();
        await UntilAsync(() => _other.Allows("ehr"), TimeSpan.FromSeconds(5));
        await _one.ChangeAsync(transaction => _one.Administration.RevokeGrantAsync(transaction, grant.Id, grant.IdText));
        await UntilAsync(() => !_other.Allows("ehr"), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_server_decides_on_what_the_others_decided_although_nobody_told_it()
    {
        await _other.Follower.FollowAsync(CancellationToken.None);
        await _one.ChangeAsync(transaction => _one.Administration.DisablePrincipalAsync(transaction, "ehr"));
        Assert.False(_other.Register.Current.Principals["ehr"].Disabled);
        var refusal = await Assert.ThrowsAsync<KeyService.Server.Pipeline.Refusal>(
            () => _other.ChangeAsync(transaction => _other.Administration.CreatePrincipalAsync(transaction, "ehr", PrincipalType.Service, Credential.OfUid(3000))));
        Assert.Equal(KeyService.Protocol.V1.Reason.AlreadyExists, refusal.Reason);
        Assert.True(_other.Register.Current.Principals["ehr"].Disabled);
    }

    [Fact]
    public async Task Changes_of_both_servers_are_one_sequence_and_scrub_clean()
    {
        await Task.WhenAll(Enumerable.Range(0, 20).Select(number =>
        {
            var server = number % 2 == 0 ? _one : _other;
            return server.ChangeAsync(transaction => server.Administration.CreatePrincipalAsync(
                transaction, $"guest-{number}", PrincipalType.Service, Credential.OfUid(5000 + (uint)number)));
        }));
        Assert.Equal(
            await _database.AskAsync<long>("SELECT count(*) FROM row_changes"), await _database.AskAsync<long>("SELECT max(position) FROM row_changes"));
        var report = await _one.ScrubAsync();
        Assert.True(report.IsClean, string.Join("; ", report.Findings));
        Assert.Equal((23L, true, 2), (report.Rows, report.HasBegun, report.Logs.Count));
    }

    [Theory]
    [InlineData("edited", "UPDATE principals SET disabled = 1 WHERE name = 'ehr'", "not what the service wrote")]
    [InlineData("deleted", "DELETE FROM principals WHERE name = 'ehr'", "missing")]
    [InlineData("copied", "INSERT INTO principals SELECT 'copy', type, credential_kind, '4711', disabled, created_at, revision, mac FROM principals WHERE name = 'ehr'", "never saw it")]
    [InlineData("put back", "UPDATE principals SET (disabled, revision, mac) = (SELECT disabled, revision, mac FROM kept) WHERE name = 'ehr'", "it was put back")]
    public async Task A_hand_in_the_database_is_found(string what, string sql, string finding)
    {
        await _database.EditAsync("CREATE TABLE keyservice.kept AS SELECT * FROM principals WHERE name = 'ehr'");
        await _one.ChangeAsync(transaction => _one.Administration.DisablePrincipalAsync(transaction, "ehr"));
        sql = what == "edited" ? sql.Replace("disabled = 1", "type = 2", StringComparison.Ordinal) : sql;
        Assert.Equal(1, await _database.EditAsync(sql));
        var report = await _other.ScrubAsync();
        Assert.Contains(report.Findings, each => each.Table == "principals" && each.Finding.Contains(finding, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_database_that_goes_back_under_running_servers_is_noticed_and_accepted_for_all()
    {
        await _one.Watch.LookAsync(CancellationToken.None);
        await _other.Watch.LookAsync(CancellationToken.None);
        var slot = _one.Store.Slot;
        await _database.EditAsync($"""
            DELETE FROM audit_records WHERE slot = {slot} AND sequence = (SELECT max(sequence) FROM audit_records WHERE slot = {slot});
            UPDATE audit_heads SET next_sequence = next_sequence - 1 WHERE slot = {slot}
            """);
        await _other.Watch.LookAsync(CancellationToken.None);
        Assert.Throws<KeyService.Server.Pipeline.Refusal>(_other.Gate.Demand);
        await _other.ChangeAsync(async transaction => (await _other.Watch.AcceptAsync(transaction, "root-admin", "a test", withClock: false))!);
        _other.Gate.Demand();
    }

    private Task<Grant> GrantAsync()
    {
        KeyPattern.TryParse("ehr/*", out var pattern);
        return _one.ChangeAsync(transaction => _one.Administration.CreateGrantAsync(
            transaction, new GrantRequest("ehr", [Permission.Encrypt], pattern, EncryptionContext.Empty, null)));
    }

    private string Folder(string name) => _folder.CreateSubdirectory(name).FullName;

    private static async Task UntilAsync(Func<bool> condition, TimeSpan limit)
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < limit, $"not within {limit.TotalSeconds} s");
            await Task.Delay(10);
        }
    }

    private sealed class Server : IAsyncDisposable
    {
        private Server(PostgresStore store, AccessRegister register, RowAuthenticator rows, string folder)
        {
            Store = store;
            Register = register;
            Administration = new AccessAdministration(register, rows, TimeProvider.System);
            var files = new TrustFiles(folder);
            Scrub = new Scrub(store, rows, DecidingTables.All, files.ScrubDirectory, TimeProvider.System);
            var alarms = new AlarmOutlet(NullLogger<AlarmOutlet>.Instance);
            var clock = new ClockGuard(TimeProvider.System, ClockGuard.DefaultTolerance);
            var trust = new StoreTrust();
            Gate = new ProtectionGate(trust, clock);
            Watch = new StoreWatch(
                store, rows, trust, clock, alarms, new StoreAccount(store, rows, DecidingTables.All, files.ScrubDirectory), files, TimeProvider.System,
                NullLogger<StoreWatch>.Instance);
            var table = new AccessRows(rows);
            Follower = new ChangeFollower(
                store,
                [
                    new FollowedTable(
                        "principals",
                        async (connection, names, cancellationToken) =>
                        {
                            foreach (var name in names)
                            {
                                register.Apply((await table.FindPrincipalAsync(connection, name, cancellationToken))!);
                            }
                        },
                        async (connection, cancellationToken) => register.Take(await table.LoadAsync(connection, cancellationToken))),
                    new FollowedTable(
                        "grants",
                        async (connection, ids, cancellationToken) =>
                        {
                            foreach (var id in ids)
                            {
                                register.Apply((await table.FindGrantAsync(connection, Convert.ToUInt64(id, 16), cancellationToken))!);
                            }
                        },
                        (_, _) => Task.CompletedTask),
                ],
                null, alarms, TimeProvider.System, NullLogger<ChangeFollower>.Instance);
            store.Hooks.BeforeChanges = connection => Follower.CatchUpAsync(connection, CancellationToken.None);
        }

        public PostgresStore Store { get; }

        public AccessRegister Register { get; }

        public AccessAdministration Administration { get; }

        public ChangeFollower Follower { get; }

        public StoreWatch Watch { get; }

        public ProtectionGate Gate { get; }

        private Scrub Scrub { get; }

        public static async Task<Server> StartAsync(PostgresStore store, string folder)
        {
            var rows = SoftwareRows.Of();
            var register = await AccessRegister.LoadAsync(store, rows, TimeProvider.System, CancellationToken.None);
            return new Server(store, register, rows, folder);
        }

        public bool Allows(string principal) => Register.Current.Principals.TryGetValue(principal, out var who)
            && Register.Allows(who, Permission.Encrypt, "ehr/fields", EncryptionContext.Empty);

        public Task ListenAsync()
        {
            Follower.Listen = Store.ListenAsync;
            return FollowAsync();
        }

        public Task FollowAsync() => Follower.StartAsync(CancellationToken.None);

        public Task<ScrubReport> ScrubAsync() => Scrub.RunAsync(keep: true, CancellationToken.None);

        public async Task<T> ChangeAsync<T>(Func<IStoreTransaction, Task<T>> change)
        {
            T result = default!;
            await Store.CommitAsync(new AuditRecordDraft(AuditEvent.GrantCreated), async transaction => result = await change(transaction), CancellationToken.None);
            return result;
        }

        public async ValueTask DisposeAsync()
        {
            await Follower.StopAsync(CancellationToken.None);
            Follower.Dispose();
            Watch.Dispose();
            Administration.Dispose();
            await Store.DisposeAsync();
        }
    }
}
