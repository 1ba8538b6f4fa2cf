using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;

namespace KeyService.IntegrationTests.Storage;

/// <summary>The primary dies under load and its synchronous standby takes over: what was acknowledged is there, and the calls go on.</summary>
public sealed class PostgresFailOverTests
{
    [Fact]
    [Trait("Duration", "long")]
    public async Task A_fail_over_to_the_synchronous_standby_costs_no_call_and_loses_nothing()
    {
        await using var cluster = await PostgresCluster.StartAsync();
        await using var store = PostgresStore.Open(
            new PostgresStoreOptions
            {
                Host = cluster.Hosts, Database = "postgres", User = PostgresFixture.User, Tls = PostgresTls.None, Mode = StoreMode.Create,
                RetryTime = TimeSpan.FromSeconds(60), PoolSize = 4,
            },
            TimeProvider.System);
        await using var load = new StoreLoad(store);
        await load.ProgressAsync(500);
        var before = load.Acknowledged;
        await cluster.SwitchOverAsync();
        await load.ProgressAsync(500);
        await load.EndAsync();
        Assert.Empty(load.Failures);
        await load.VerifyAsync();
        Assert.True((await store.ProbeAsync(CancellationToken.None)).Healthy);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{before} acknowledged before the fail-over, {load.Acknowledged - before} after; the longest commit took {load.Longest.TotalSeconds:f2} s");
    }
}
