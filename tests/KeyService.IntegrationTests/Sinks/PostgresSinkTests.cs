using KeyService.IntegrationTests.Storage;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Sinks;
using KeyService.Server.Storage;
using KeyService.Tests.Audit.Sinks;
using KeyService.Tests.Storage;

namespace KeyService.IntegrationTests.Sinks;

/// <summary>Two servers on one database write two log slots; one of them delivers both.</summary>
public sealed class PostgresSinkTests(PostgresFixture server) : IClassFixture<PostgresFixture>, IDisposable
{
    private readonly DirectoryInfo _copies = Directory.CreateTempSubdirectory("keyservice-copies-");

    public void Dispose() => _copies.Delete(recursive: true);

    [Fact]
    public async Task Records_of_every_slot_are_delivered_by_one_server_and_by_the_next_where_that_one_ended()
    {
        var time = new TestTime();
        var rows = SoftwareRows.Of();
        var configuration = new DirectorySinkConfiguration("copies", _copies.FullName, 64, TimeSpan.FromMinutes(5));
        var database = await PostgresDatabase.MakeAsync(server);
        await using var first = database.Open();
        await SoftwareRows.InstallAsync(first, rows);
        await using var second = database.Open();
        Assert.NotEqual(first.Slot, second.Slot);
        await Task.WhenAll(SinkBed.AppendAsync(first, 1200), SinkBed.AppendAsync(second, 1300));
        await DeliverAsync(first);
        await Task.WhenAll(SinkBed.AppendAsync(first, 10), SinkBed.AppendAsync(second, 10));
        await DeliverAsync(second);

        foreach (var store in new IStore[] { first, second })
        {
            var log = await SinkBed.LogAsync(store);
            var copies = SinkBed.ReadCopies(_copies.FullName, store.Slot);
            Assert.Equal(log.Take(copies.Count).Select(record => record.Entry.Record), copies);
            // Its own positions alone may lack.
            Assert.All(log.Skip(copies.Count), record => Assert.Equal((ushort)AuditEvent.AuditSinkAdvanced, record.Record.EventId));
        }

        Assert.Equal(4, _copies.GetFiles().Length);

        async Task DeliverAsync(IStore store)
        {
            await using var sink = new DirectorySink(configuration);
            var follower = SinkBed.Follow(store, rows, time, configuration, sink);
            await SinkBed.DrainAsync(follower);
            await follower.FinishAsync(CancellationToken.None);
            Assert.Equal(0, follower.Status!.LagRecords);
        }
    }

    [Fact]
    public async Task The_role_goes_to_another_server_when_the_one_that_had_it_ends()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var first = database.Open();
        await using var second = database.Open();
        var role = await first.TryTakeRoleAsync("audit-sinks", CancellationToken.None);
        Assert.NotNull(role);
        Assert.Null(await second.TryTakeRoleAsync("audit-sinks", CancellationToken.None));
        await role.DisposeAsync();
        await using var taken = await second.TryTakeRoleAsync("audit-sinks", CancellationToken.None);
        Assert.NotNull(taken);
    }
}
