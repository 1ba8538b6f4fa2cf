using Dapper;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace KeyService.IntegrationTests.Storage;

/// <summary>Several servers on one database: each has a log of its own, changes run one after another, roles are had once.</summary>
public sealed class PostgresSlotTests(PostgresFixture server) : IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private PostgresDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await PostgresDatabase.MakeAsync(server);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Each_server_writes_a_slot_of_its_own_and_the_next_one_continues_what_was_left()
    {
        var first = _database.Open();
        await using var second = _database.Open();
        Assert.Equal((0, 1), (first.Slot, second.Slot));
        Assert.Equal(0, (await CommitAsync(first)).Sequence);
        Assert.Equal(1, (await CommitAsync(first)).Sequence);
        Assert.Equal(0, (await CommitAsync(second)).Sequence);
        await first.DisposeAsync();

        await using var third = _database.Open();
        Assert.Equal((0, 1L), (third.Slot, third.LastSequence));
        Assert.Equal(new { Slot = 0, Sequence = 2L }, At(await CommitAsync(third)));
        Assert.Equal([0, 1], await AuditLog.ReadSlotsAsync(third, CancellationToken.None));
    }

    [Fact]
    public async Task Changes_of_all_servers_run_one_after_another_and_see_each_other()
    {
        const int Changes = 60;
        await using var one = _database.Open();
        await using var other = _database.Open();
        await _database.EditAsync("INSERT INTO store_probe (id, probed_at) VALUES (100, 0)");
        await Task.WhenAll(new[] { one, other }.SelectMany(store => Enumerable.Range(0, Changes).Select(_ => store.CommitAsync(
            new(AuditEvent.StatusRead),
            async transaction =>
            {
                // Read, then write what was read and one more: two at a time would lose one.
                var read = await transaction.Connection.ExecuteScalarAsync<long>("SELECT probed_at FROM store_probe WHERE id = 100", transaction: transaction.Transaction);
                await transaction.Connection.ExecuteAsync("UPDATE store_probe SET probed_at = @next WHERE id = 100", new { next = read + 1 }, transaction.Transaction);
            },
            CancellationToken.None))));
        Assert.Equal(2 * Changes, await _database.AskAsync<long>("SELECT probed_at FROM store_probe WHERE id = 100"));
    }

    [Fact]
    public async Task What_a_server_keeps_in_memory_catches_up_before_its_next_change()
    {
        await using var one = _database.Open();
        await using var other = _database.Open();
        var seen = new List<long>();
        other.Hooks.BeforeChanges = async connection =>
            seen.Add(await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM integrity_key_blobs"));
        await other.CommitAsync(new(AuditEvent.StatusRead), null, CancellationToken.None);
        Assert.Empty(seen);
        await one.CommitAsync(new(AuditEvent.StatusRead), InsertAsync, CancellationToken.None);
        await other.CommitAsync(new(AuditEvent.StatusRead), _ => Task.CompletedTask, CancellationToken.None);
        Assert.Equal([1], seen);
    }

    [Fact]
    public async Task Changed_rows_are_handed_on_inside_the_change_and_told_to_who_listens()
    {
        await using var store = _database.Open();
        var handed = new List<string>();
        store.Hooks.RowsChanged = (transaction, changes) =>
        {
            handed.AddRange(changes.Select(change => $"{change.Table}/{change.RowId}/{change.Revision}"));
            return changes[0].RowId == "refused" ? throw new FormatException("the hook's") : Task.CompletedTask;
        };
        await using var listener = new NpgsqlConnection(server.ConnectionString(_database.Name));
        await listener.OpenAsync();
        await listener.ExecuteAsync($"LISTEN {PostgresHooks.Channel}");
        var told = 0;
        listener.Notification += (_, _) => told++;

        await ChangeAsync("grants", "1");
        Assert.True(await listener.WaitAsync(TimeSpan.FromSeconds(30)));
        await Assert.ThrowsAsync<FormatException>(() => ChangeAsync("grants", "refused"));
        await store.CommitAsync(new(AuditEvent.StatusRead), _ => Task.CompletedTask, CancellationToken.None);
        await store.CommitAsync(new(AuditEvent.StatusRead), null, CancellationToken.None);
        await listener.ExecuteAsync("SELECT 1");
        Assert.Equal(1, told);
        Assert.Equal(["grants/1/1", "grants/refused/1"], handed);

        Task ChangeAsync(string table, string row) => store.CommitAsync(
            new(AuditEvent.StatusRead),
            transaction =>
            {
                transaction.RowChanged(new RowChange(table, row, 1, new byte[32]));
                return Task.CompletedTask;
            },
            CancellationToken.None);
    }

    [Fact]
    public async Task A_role_is_had_by_one_server_and_given_back()
    {
        await using var one = _database.Open();
        await using var other = _database.Open();
        var role = await one.TryTakeRoleAsync("rotation", CancellationToken.None);
        Assert.NotNull(role);
        Assert.Null(await other.TryTakeRoleAsync("rotation", CancellationToken.None));
        Assert.Null(await one.TryTakeRoleAsync("rotation", CancellationToken.None));
        await using (var different = await other.TryTakeRoleAsync("scrub", CancellationToken.None))
        {
            Assert.NotNull(different);
        }

        await role.DisposeAsync();
        await using var again = await other.TryTakeRoleAsync("rotation", CancellationToken.None);
        Assert.NotNull(again);
        Assert.False(role.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task Who_loses_the_session_of_a_role_is_told()
    {
        await using var store = _database.Open();
        await using var role = await store.TryTakeRoleAsync("rotation", CancellationToken.None);
        var lost = new TaskCompletionSource();
        await using var registered = role!.Lost.Register(lost.SetResult);
        await _database.EditAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'keyservice role%'");
        await lost.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Every_slot_gets_a_mark_and_verifies()
    {
        var rows = SoftwareRows.Of();
        await using var one = _database.Open();
        await SoftwareRows.InstallAsync(one, rows);
        await using var other = _database.Open();
        using var marker = new AuditMarker(new AuditLog(other), other, rows, new TestTime(), NullLogger<AuditMarker>.Instance);
        for (var i = 0; i < 5; i++)
        {
            await CommitAsync(other);
        }

        await marker.MarkAsync(CancellationToken.None);
        foreach (var slot in await AuditLog.ReadSlotsAsync(one, CancellationToken.None))
        {
            var report = await new AuditVerification(new AuditLog(one, slot), one, rows).RunAsync(CancellationToken.None);
            Assert.Empty(report.Findings);
            Assert.Equal(slot == 0 ? 0 : 6, report.MarkedSize);
        }
    }

    [Fact]
    public async Task A_log_that_was_cut_stops_who_would_continue_it()
    {
        await using (var store = _database.Open())
        {
            await CommitAsync(store);
            await CommitAsync(store);
        }

        await _database.EditAsync("DELETE FROM audit_records WHERE sequence = 1");
        Assert.Contains("had 2 records", Assert.Throws<StoreTamperedException>(() => _database.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Records_go_to_the_month_that_they_were_made_in()
    {
        // 22 November 2026, and partitions are made two months ahead.
        var time = new TestTime();
        await using var store = _database.Open(time);
        await CommitAsync(store);
        foreach (var days in new[] { 8, 1, 30, 400 })
        {
            time.Advance(TimeSpan.FromDays(days));
            await CommitAsync(store);
        }

        using var connection = PostgresConnections.OpenForSchema(_database.Options);
        Assert.Equal(
            ["audit_records_2026_11 0", "audit_records_2026_11 1", "audit_records_2026_12 2", "audit_records_2026_12 3", "audit_records_2028_02 4"],
            connection.Query<string>("SELECT tableoid::regclass || ' ' || sequence FROM audit_records ORDER BY sequence").Select(each => each.Replace("keyservice.", "", StringComparison.Ordinal)));
        var made = connection.Query<string>("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname").ToList();
        Assert.Contains("audit_records_2027_01", made);
        Assert.Contains("audit_records_2028_04", made);
        Assert.Equal(4, store.LastSequence);
    }

    [Fact]
    public async Task The_borders_of_months_are_exact()
    {
        var time = new TestTime();
        time.Advance(new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero) - time.GetUtcNow() - TimeSpan.FromTicks(1));
        await using var store = _database.Open(time);
        await CommitAsync(store);
        time.Advance(TimeSpan.FromTicks(1));
        await CommitAsync(store);
        Assert.Equal(1, await _database.AskAsync<long>("SELECT count(*) FROM audit_records_2026_11"));
        Assert.Equal(1, await _database.AskAsync<long>("SELECT count(*) FROM audit_records_2026_12"));
    }

    private static Task<CommitReceipt> CommitAsync(IStore store) => store.CommitAsync(new(AuditEvent.StatusRead), null, CancellationToken.None);

    private static object At(CommitReceipt receipt) => new { receipt.Slot, receipt.Sequence };

    private static Task InsertAsync(IStoreTransaction transaction) => transaction.Connection.ExecuteAsync(
        "INSERT INTO integrity_key_blobs (token_id, blob, check_value, created_at) VALUES ('token', @blob, @blob, 0)", new { blob = new byte[1] }, transaction.Transaction);
}
