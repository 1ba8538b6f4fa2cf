using Dapper;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Tests.Storage;
using Npgsql;

namespace KeyService.IntegrationTests.Storage;

/// <summary>
/// The database goes away under a store at work. Nothing acknowledged is lost, nothing is recorded twice, the log has no gap, what is kept
/// in memory is what stands, and calls go on by themselves.
/// </summary>
public sealed class PostgresFailureTests(PostgresFixture server) : IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private const string EndWriters =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'keyservice writer%'";

    private PostgresDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await PostgresDatabase.MakeAsync(server);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Sessions_ended_under_load_cost_no_call_and_lose_nothing()
    {
        await using var store = _database.Open(TimeProvider.System);
        await using var load = new StoreLoad(store);
        for (var i = 0; i < 25; i++)
        {
            await load.ProgressAsync(40);
            await _database.EditAsync(EndWriters);
        }

        await load.EndAsync();
        Assert.Empty(load.Failures);
        await load.VerifyAsync();
    }

    [Fact]
    public async Task A_database_that_crashes_under_load_is_waited_for()
    {
        await using var store = _database.Open(TimeProvider.System);
        await using var load = new StoreLoad(store);
        for (var i = 0; i < 3; i++)
        {
            await load.ProgressAsync(50);
            await server.CrashAsync();
            await server.StartAsync();
        }

        await load.ProgressAsync(50);
        await load.EndAsync();
        Assert.Empty(load.Failures);
        await load.VerifyAsync();
        TestContext.Current.TestOutputHelper?.WriteLine($"Longest commit: {load.Longest.TotalSeconds:f2} s");
    }

    [Fact]
    public async Task Who_waited_long_enough_is_told_and_the_store_heals_by_itself()
    {
        await using var store = PostgresStore.Open(_database.Options with { RetryTime = TimeSpan.FromMilliseconds(500) }, TimeProvider.System);
        await using var load = new StoreLoad(store);
        await load.ProgressAsync(50);
        await server.CrashAsync();
        await load.FailedAsync();
        Assert.All(load.Failures, failure => Assert.IsType<StoreUnavailableException>(failure));
        Assert.False((await store.ProbeAsync(CancellationToken.None)).Healthy);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => store.ReadAsync(connection => connection.ExecuteScalarAsync<int>("SELECT 1"), CancellationToken.None));
        await server.StartAsync();
        await load.ProgressAsync(50);
        await load.EndAsync();
        await load.VerifyAsync();
        Assert.True((await store.ProbeAsync(CancellationToken.None)).Healthy);
    }

    [Fact]
    public async Task A_slot_that_another_took_meanwhile_is_left_to_it()
    {
        await using var store = _database.Open();
        await CommitAsync(store);
        // Stands in line for the lock of slot 0, and gets it the moment that the writer's session ends.
        await using var other = new NpgsqlConnection(server.ConnectionString(_database.Name));
        await other.OpenAsync();
        var taken = other.ExecuteAsync($"SELECT pg_advisory_lock({AdvisoryLocks.Slots}, 0)");
        await Until.TrueAsync(
            async () => await _database.AskAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") > 0,
            "somebody who waits for the lock");

        var following = store.WaitForRecordAsync(0, CancellationToken.None).AsTask();
        var pinned = new AuditLog(store).Pin();
        await _database.EditAsync(EndWriters);
        await taken;
        var receipt = await CommitAsync(store);
        Assert.Equal((1, 0L), (receipt.Slot, receipt.Sequence));
        Assert.Equal((1, 0L), (store.Slot, store.LastSequence));
        // Who followed the old log must not wait for a number that comes in another one.
        await Assert.ThrowsAsync<StoreUnavailableException>(() => following);
        Assert.Throws<StoreUnavailableException>(() => pinned.LastSequence);
    }

    [Fact]
    public async Task A_change_whose_session_ends_in_the_middle_is_run_again()
    {
        await using var store = _database.Open();
        var runs = 0;
        var told = 0;
        var receipt = await store.CommitAsync(
            new(AuditEvent.StatusRead),
            async transaction =>
            {
                transaction.OnCommitted(() => told++);
                if (++runs == 1)
                {
                    await _database.EditAsync(EndWriters);
                }
            },
            CancellationToken.None);
        Assert.Equal((0L, 2, 1), (receipt.Sequence, runs, told));
        Assert.Equal(1, await _database.AskAsync<long>("SELECT count(*) FROM audit_records"));
    }

    /// <summary>
    /// A commit waits for a synchronous standby that is not there, and its session is ended: it stands here, and no standby has it. It is
    /// acknowledged when the standby would have it, and not before; and its change is not done a second time.
    /// </summary>
    [Fact]
    public async Task A_commit_that_stands_and_was_not_answered_is_acknowledged_once_and_only_when_the_standby_has_it()
    {
        await using var store = PostgresStore.Open(_database.Options with { RetryTime = TimeSpan.FromMinutes(2) }, TimeProvider.System);
        await _database.EditAsync("CREATE TABLE public.probe (n INT)");
        await _database.EditAsync("ALTER SYSTEM SET synchronous_standby_names = 'absent'");
        await _database.EditAsync("SELECT pg_reload_conf()");
        await CommitsWaitAsync();
        var runs = 0;
        var told = 0;
        var commit = store.CommitAsync(
            new(AuditEvent.StatusRead),
            transaction =>
            {
                runs++;
                transaction.OnCommitted(() => told++);
                return Task.CompletedTask;
            },
            CancellationToken.None);
        var waiting = await WaitingForStandbyAsync(except: 0);
        await _database.EditAsync(EndWriters);
        await WaitingForStandbyAsync(except: waiting);
        Assert.Equal(1, await _database.AskAsync<long>("SELECT count(*) FROM audit_records"));
        Assert.False(commit.IsCompleted);
        Assert.Equal(0, told);
        await _database.EditAsync("ALTER SYSTEM RESET synchronous_standby_names");
        await _database.EditAsync("SELECT pg_reload_conf()");
        Assert.Equal(0, (await commit).Sequence);
        Assert.Equal((1, 1), (runs, told));
        Assert.Equal(1, (await CommitAsync(store)).Sequence);
    }

    [Fact]
    public async Task Two_writers_of_one_slot_cannot_both_commit()
    {
        await using var store = _database.Open();
        await CommitAsync(store);
        // As a connection pooler would do it that hands sessions around: the lock is held, and somebody else writes all the same.
        await _database.EditAsync("UPDATE audit_heads SET next_sequence = 9 WHERE slot = 0");
        await Assert.ThrowsAsync<StoreUnavailableException>(() => CommitAsync(store));
        Assert.Equal(1, await _database.AskAsync<long>("SELECT count(*) FROM audit_records"));
    }

    [Fact]
    public async Task A_broken_constraint_at_the_end_of_a_change_fails_that_change_alone()
    {
        await using var store = _database.Open();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var occupied = store.CommitAsync(new(AuditEvent.StatusRead), _ => gate.Task, CancellationToken.None);
        var failing = store.CommitAsync(
            new(AuditEvent.StatusRead),
            transaction => transaction.Connection.ExecuteAsync(
                "INSERT INTO key_versions SELECT (json_populate_record(NULL::key_versions, @row::json)).*",
                new { row = $$"""{"id":1,"key_name":"absent","state":1,"created_at":0,"check_value":"\\x00","revision":1,"mac":"\\x{{new string('0', 64)}}"}""" },
                transaction.Transaction),
            CancellationToken.None);
        var good = CommitAsync(store);
        gate.SetResult();
        await occupied;
        Assert.IsType<PostgresException>(await Record.ExceptionAsync(() => failing));
        Assert.Equal(1, (await good).Sequence);
    }

    private async Task<int> WaitingForStandbyAsync(int except)
    {
        var found = 0;
        await Until.TrueAsync(
            async () => (found = await _database.AskAsync<int>(
                $"SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep' AND pid <> {except}")) != 0,
            "a commit that waits for the standby");
        return found;
    }

    // The checkpointer tells the sessions that commits have to wait, some time after the configuration was read again.
    private async Task CommitsWaitAsync()
    {
        await using var probing = new NpgsqlConnection(server.ConnectionString(_database.Name));
        await probing.OpenAsync();
        var commit = Task.CompletedTask;
        await Until.TrueAsync(
            async () =>
            {
                commit = commit.IsCompleted ? probing.ExecuteAsync("INSERT INTO public.probe VALUES (1)") : commit;
                return await _database.AskAsync<bool>(
                    $"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {probing.ProcessID} AND wait_event = 'SyncRep')");
            },
            "a commit that waits for the standby");
        await _database.EditAsync($"SELECT pg_terminate_backend({probing.ProcessID})");
        await commit.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static Task<CommitReceipt> CommitAsync(IStore store) => store.CommitAsync(new(AuditEvent.StatusRead), null, CancellationToken.None);
}
