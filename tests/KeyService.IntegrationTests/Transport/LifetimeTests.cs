using Grpc.Core;
using Grpc.Health.V1;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Transport;

/// <summary>A service that is broken, ended and started: what its callers and its log are told.</summary>
public sealed class LifetimeTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    [Fact]
    public async Task A_lost_token_shows_in_health_and_status_and_heals_by_itself()
    {
        // As a person, of whom the store says whether a second factor is needed: in rows that the HSM has verified for the calls before.
        using var channel = service.ConnectAs("administrator");
        var health = new Health.HealthClient(channel);
        await new KeyService.Protocol.V1.System.SystemClient(channel).GetStatusAsync(new GetStatusRequest());
        var tokens = Path.Combine(service.Directory, "tokens");
        Directory.Move(tokens, tokens + ".away");
        try
        {
            await EventuallyAsync(health, HealthCheckResponse.Types.ServingStatus.NotServing);
            var status = await new KeyService.Protocol.V1.System.SystemClient(channel).GetStatusAsync(new GetStatusRequest());
            Assert.False(status.Components.Single(component => component.Name == "hsm").Healthy);
            Assert.True(status.Components.Single(component => component.Name == "store").Healthy);
            using var database = service.ConnectAs("database");
            await new KeyService.Protocol.V1.System.SystemClient(database).GetStatusAsync(new GetStatusRequest());
        }
        finally
        {
            Directory.Move(tokens + ".away", tokens);
        }
        await EventuallyAsync(health, HealthCheckResponse.Types.ServingStatus.Serving);
    }

    [Fact]
    public async Task A_stream_that_a_crash_cut_off_is_an_event_at_the_next_start()
    {
        using (var channel = service.ConnectAs("administrator"))
        {
            using var tail = new Audit.AuditClient(channel).Tail(new TailRequest { Start = -1, Follow = true });
            Assert.True(await tail.ResponseStream.MoveNext());
            await service.CrashAsync();
        }
        await service.StartAsync();
        using var after = service.ConnectAs("administrator");
        using var again = new Audit.AuditClient(after).Tail(new TailRequest { Start = -10 });
        var events = new List<string>();
        await foreach (var answer in again.ResponseStream.ReadAllAsync())
            events.Add(answer.Record.Event);
        var missing = events.IndexOf("stream-end-missing");
        Assert.True(missing > 0, string.Join(' ', events));
        Assert.Equal(("audit-tail-opened", "service-started"),
            (events[..missing].FindLast(name => name.Contains("tail", StringComparison.Ordinal)), events[missing + 1]));
        Assert.Contains("streams were open", service.ServerLog, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stop_asked_for_ends_in_order_and_the_next_start_finds_nothing_missing()
    {
        Assert.Equal(0, await service.StopAsync());
        await service.StartAsync();
        Assert.DoesNotContain("streams were open", service.ServerLog, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_watcher_of_health_is_told_of_the_stop_and_does_not_delay_it()
    {
        using (var channel = service.ConnectAs("administrator"))
        {
            using var watch = new Health.HealthClient(channel).Watch(new HealthCheckRequest());
            Assert.True(await watch.ResponseStream.MoveNext());
            Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, watch.ResponseStream.Current.Status);
            var stop = service.StopAsync();
            Assert.True(await watch.ResponseStream.MoveNext());
            Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, watch.ResponseStream.Current.Status);
            var end = await Assert.ThrowsAsync<RpcException>(() => watch.ResponseStream.MoveNext());
            Assert.Equal(StatusCode.Unavailable, end.StatusCode);
            Assert.Equal(0, await stop);
        }
        await service.StartAsync();
    }

    [Fact]
    public async Task The_status_says_who_runs_and_on_what()
    {
        using var channel = service.ConnectAs("administrator");
        var system = new KeyService.Protocol.V1.System.SystemClient(channel);
        var status = await system.GetStatusAsync(new GetStatusRequest());
        Assert.Equal("development", status.Profile);
        Assert.Equal(["hsm", "store", "audit", "tls", "memory", "store-trust", "clock"], status.Components.Select(component => component.Name));
        Assert.All(status.Components, component => Assert.True(component.Healthy, component.Detail));
        Assert.True(status.CertificateExpireTime.ToDateTimeOffset() > status.ServerTime.ToDateTimeOffset());
        var guarantees = await system.GetHsmGuaranteesAsync(new GetHsmGuaranteesRequest());
        Assert.True(guarantees.DevelopmentOnly);
        Assert.Equal("keyservice-test", guarantees.TokenLabel);
        Assert.NotEmpty(guarantees.Guarantees);
        Assert.Contains(guarantees.Mechanisms, mechanism =>
            mechanism.Algorithm.Contains("AES-KW", StringComparison.Ordinal) && mechanism.KnownAnswerPassed);
    }

    private static async Task EventuallyAsync(Health.HealthClient health, HealthCheckResponse.Types.ServingStatus expected)
    {
        using var limit = new CancellationTokenSource(Patience);
        while ((await health.CheckAsync(new HealthCheckRequest())).Status != expected)
            await Task.Delay(100, limit.Token);
    }
}
