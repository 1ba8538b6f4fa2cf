using KeyService.Protocol.V1;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Trust;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Trust;

/// <summary>A server that starts on a database of an earlier day, or under which the clock is moved.</summary>
public sealed class StoreWatchTests : IAsyncLifetime
{
    private TrustedStore _trusted = null!;

    public async ValueTask InitializeAsync() => _trusted = await TrustedStore.MakeAsync(rememberOld: false);

    public ValueTask DisposeAsync() => _trusted.DisposeAsync();

    [Fact]
    public async Task A_server_that_starts_again_on_its_store_finds_nothing()
    {
        for (var start = 0; start < 3; start++)
        {
            await using var server = await StartAsync();
            server.Gate.Demand();
            await _trusted.CreatePrincipalAsync($"new-{start}", 3000 + (uint)start);
            await server.Watch.LookAsync(CancellationToken.None);
            Assert.Null(server.Trust.Difference);
            await server.StopAsync();
            await _trusted.ReopenAsync();
        }
    }

    [Fact]
    public async Task A_database_of_an_earlier_day_stops_protection_until_an_officer_accepts_it()
    {
        await RunAsync(server => _trusted.CreatePrincipalAsync("later", 3000));
        await PutBackAsync();
        await using (var server = await StartAsync())
        {
            var refusal = Assert.Throws<Refusal>(server.Gate.Demand);
            Assert.Equal(Reason.StoreRestored, refusal.Reason);
            Assert.Contains("ends before record", refusal.Message, StringComparison.Ordinal);
            Assert.False(server.Gate.IsOpen);
            await server.StopAsync();
        }

        // Neither time nor a restart heals it.
        await _trusted.ReopenAsync();
        await using (var server = await StartAsync())
        {
            Assert.Throws<Refusal>(server.Gate.Demand);
            var accepted = await AcceptAsync(server);
            Assert.True(accepted!.IsRestored);
            server.Gate.Demand();
            await server.Watch.LookAsync(CancellationToken.None);
            server.Gate.Demand();
            Assert.Equal(accepted.AcceptTime, await _trusted.Store.ReadAsync(
                connection => StoreAcceptance.LastRestoreAsync(connection, _trusted.Rows, CancellationToken.None), CancellationToken.None));
            await server.StopAsync();
        }

        await _trusted.ReopenAsync();
        await using var again = await StartAsync();
        again.Gate.Demand();
        Assert.True((await _trusted.ScrubAsync()).IsClean);
    }

    [Fact]
    public async Task A_database_that_went_another_way_is_not_the_one_that_was_seen()
    {
        await RunAsync(server => _trusted.CreatePrincipalAsync("later", 3000));
        await PutBackAsync();
        // As many records as there were, and more: only what stands in them tells.
        _trusted.Time.Advance(TimeSpan.FromSeconds(1));
        for (uint number = 0; number < 20; number++)
        {
            await _trusted.CreatePrincipalAsync($"other-{number}", 4000 + number);
        }

        await using var server = await StartAsync();
        Assert.Contains("another one than stood there", server.Trust.Difference, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_running_server_notices_when_the_database_goes_back_under_it()
    {
        await using var server = await StartAsync();
        await server.Watch.LookAsync(CancellationToken.None);
        server.Gate.Demand();
        _trusted.File.Edit("DELETE FROM audit_records WHERE sequence >= 4");
        await server.Watch.LookAsync(CancellationToken.None);
        Assert.Throws<Refusal>(server.Gate.Demand);
    }

    [Fact]
    public async Task An_acceptance_copied_out_of_another_history_is_none()
    {
        await RunAsync(server => _trusted.CreatePrincipalAsync("later", 3000));
        await PutBackAsync();
        await using (var server = await StartAsync())
        {
            await AcceptAsync(server);
        }

        // A server that never heard of the acceptance, and the database put back once more, with the acceptance's row and nothing else of that history.
        _trusted.File.Edit("ATTACH 'copy.db' AS copy".Replace("copy.db", Copy, StringComparison.Ordinal)
            + "; CREATE TABLE copy.kept AS SELECT * FROM store_acceptances");
        var seen = Path.Combine(_trusted.File.Folder, "store-seen");
        File.Delete(seen);
        File.Copy(seen + "-before", seen);
        await PutBackAsync();
        _trusted.File.Edit($"ATTACH '{Copy}' AS copy; INSERT INTO store_acceptances SELECT * FROM copy.kept");
        await using var other = await StartAsync();
        Assert.Throws<Refusal>(other.Gate.Demand);
    }

    [Fact]
    public async Task Another_server_hears_of_the_acceptance()
    {
        await RunAsync(server => _trusted.CreatePrincipalAsync("later", 3000));
        await PutBackAsync();
        await using var one = await StartAsync();
        await using var other = await StartAsync();
        Assert.Throws<Refusal>(other.Gate.Demand);
        await AcceptAsync(one);
        await other.Watch.LookAsync(CancellationToken.None);
        other.Gate.Demand();
    }

    [Fact]
    public async Task A_lost_file_is_no_alarm_and_a_changed_one_is_not_believed()
    {
        await RunAsync(server => _trusted.CreatePrincipalAsync("later", 3000));
        var path = Path.Combine(_trusted.File.Folder, "store-seen");
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[5] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);
        await using (var server = await StartAsync())
        {
            server.Gate.Demand();
        }

        File.Delete(path);
        await using var another = await StartAsync();
        another.Gate.Demand();
    }

    [Fact]
    public async Task A_clock_that_was_set_back_while_the_server_was_down_is_noticed()
    {
        await RunAsync(server => Task.CompletedTask);
        _trusted.Time.Advance(-TimeSpan.FromDays(100));
        await _trusted.ReopenAsync();
        await using (var server = await StartAsync())
        {
            Assert.Equal(Reason.ClockSetBack, Assert.Throws<Refusal>(server.Gate.Demand).Reason);
            // What is recorded with the wrong time does not make it right.
            await _trusted.CreatePrincipalAsync("now", 3000);
            await server.StopAsync();
        }

        File.Delete(Path.Combine(_trusted.File.Folder, "store-seen"));
        await using var another = await StartAsync();
        Assert.Throws<Refusal>(another.Gate.Demand);
        _trusted.Time.Advance(TimeSpan.FromDays(100));
        await another.Watch.LookAsync(CancellationToken.None);
        another.Gate.Demand();
    }

    [Fact]
    public async Task An_accepted_clock_stays_accepted_over_a_restart_and_without_the_file()
    {
        _trusted.Time.Advance(TimeSpan.FromDays(3650));
        await RunAsync(server => _trusted.CreatePrincipalAsync("in-the-future", 3000));
        _trusted.Time.Advance(-TimeSpan.FromDays(3650));
        await using (var server = await StartAsync())
        {
            Assert.Throws<Refusal>(server.Gate.Demand);
            var accepted = await AcceptAsync(server, withClock: true);
            Assert.Equal((false, _trusted.Time.GetUtcNow()), (accepted!.IsRestored, accepted.ClockAt!.Value));
            server.Gate.Demand();
            await server.StopAsync();
        }

        foreach (var fileLost in new[] { false, true })
        {
            if (fileLost)
            {
                File.Delete(Path.Combine(_trusted.File.Folder, "store-seen"));
            }

            await using var server = await StartAsync();
            server.Gate.Demand();
            await server.StopAsync();
        }
    }

    [Fact]
    public async Task There_is_nothing_to_accept_in_a_store_that_is_as_it_should_be()
    {
        await using var server = await StartAsync();
        Assert.Null(await AcceptAsync(server, withClock: true));
    }

    private string Copy => Path.Combine(_trusted.File.Folder, "copy.db");

    // A server runs, its store is copied, something happens, it stops.
    private async Task RunAsync(Func<Server, Task> later)
    {
        await using (var server = await StartAsync())
        {
            _trusted.File.Edit($"VACUUM INTO '{_trusted.File.Path}-earlier'");
            await later(server);
            await server.StopAsync();
        }

        File.Copy(Path.Combine(_trusted.File.Folder, "store-seen"), Path.Combine(_trusted.File.Folder, "store-seen-before"), overwrite: true);
    }

    private Task PutBackAsync() => _trusted.ReopenAsync(() =>
    {
        foreach (var file in new[] { "", "-wal", "-shm" })
        {
            File.Delete(_trusted.File.Path + file);
        }

        File.Copy(_trusted.File.Path + "-earlier", _trusted.File.Path);
    });

    private async Task<Server> StartAsync()
    {
        var server = new Server(_trusted);
        await server.Watch.StartAsync(CancellationToken.None);
        return server;
    }

    private async Task<StoreAcceptance?> AcceptAsync(Server server, bool withClock = false)
    {
        StoreAcceptance? accepted = null;
        await _trusted.Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.StoreAccepted),
            async transaction => accepted = await server.Watch.AcceptAsync(transaction, "root-admin", "restored after a disk failure", withClock),
            CancellationToken.None);
        return accepted;
    }

    private sealed class Server : IAsyncDisposable
    {
        public Server(TrustedStore trusted)
        {
            var files = new TrustFiles(trusted.File.Folder);
            // Its own memory of rows, as a process of its own has it.
            var rows = Storage.SoftwareRows.Of();
            Clock = new ClockGuard(trusted.Time, ClockGuard.DefaultTolerance);
            Gate = new ProtectionGate(Trust, Clock);
            Watch = new StoreWatch(
                trusted.Store, rows, Trust, Clock, new AlarmOutlet(NullLogger<AlarmOutlet>.Instance),
                new StoreAccount(trusted.Store, rows, DecidingTables.All, files.ScrubDirectory), files, trusted.Time, NullLogger<StoreWatch>.Instance);
        }

        public StoreTrust Trust { get; } = new();

        public ClockGuard Clock { get; }

        public ProtectionGate Gate { get; }

        public StoreWatch Watch { get; }

        public Task StopAsync() => Watch.StopAsync(CancellationToken.None);

        public async ValueTask DisposeAsync()
        {
            await Watch.StopAsync(CancellationToken.None);
            Watch.Dispose();
        }
    }
}
