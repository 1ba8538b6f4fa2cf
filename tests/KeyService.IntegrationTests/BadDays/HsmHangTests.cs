using Grpc.Core;
using KeyService.Protocol.V1;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>Calls into the HSM of the running server do not come back; and later they do.</summary>
public sealed class HsmHangTests(HsmService hsm) : IClassFixture<HsmService>
{
    [Fact]
    public Task An_HSM_that_hangs() => hsm.SurvivesAsync(() => hsm.Hsm.Hang("*"), hsm.Hsm.Clear, "does not answer");

    [Fact]
    public async Task A_caller_is_not_held_longer_than_its_deadline()
    {
        hsm.Hsm.Hang("*");
        try
        {
            var late = await Assert.ThrowsAsync<RpcException>(() => hsm.IssueAsync(TimeSpan.FromMilliseconds(300)));
            // By its own deadline, or refused because another test's call had been found stuck.
            Assert.Contains(late.StatusCode, new[] { StatusCode.DeadlineExceeded, StatusCode.Unavailable });
        }
        finally
        {
            hsm.Hsm.Clear();
        }
        await BecomesWellAsync();
    }

    [Fact]
    public async Task One_call_that_hangs_is_given_up_and_the_others_go_on_beside_it()
    {
        await BecomesWellAsync();
        hsm.Hsm.Write("hang C_Encrypt times 1");
        try
        {
            await HsmService.RefusedAsync(() => hsm.IssueAsync());
            // The call hangs still. A probe finds that the device answers; after that nobody is refused for it.
            await BecomesWellAsync();
            await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => hsm.IssueAsync()));
        }
        finally
        {
            hsm.Hsm.Clear();
        }
        await hsm.WorksAsync();
    }

    [Fact]
    public async Task A_change_that_hangs_in_the_HSM_does_not_keep_the_store_from_recording_other_calls()
    {
        await BecomesWellAsync();
        var field = await hsm.SealAsync("at hand");
        hsm.Hsm.Hang("C_Sign"); // MACs of rows: inside the transaction that makes the grant
        try
        {
            var before = hsm.Hsm.Calls("C_Sign");
            var grant = hsm.Access.CreateGrantAsync(
                new CreateGrantRequest { RequestId = Guid.NewGuid().ToString(), Principal = "backup", KeyPattern = "never", Permissions = { "encrypt" } },
                HsmService.In(TimeSpan.FromSeconds(60))).ResponseAsync;
            await Until.TrueAsync(() => hsm.Hsm.Calls("C_Sign") > before, "the grant in the HSM");
            var opening = hsm.OpenAsync(field); // its record waits for the store, which waits for the grant
            await HsmService.RefusedAsync(() => grant);
            Assert.Equal("at hand", await opening);
        }
        finally
        {
            hsm.Hsm.Clear();
        }
        await BecomesWellAsync();
        var grants = await hsm.Access.ListGrantsAsync(new ListGrantsRequest { PageSize = 1000 });
        Assert.DoesNotContain(grants.Grants, grant => grant.KeyPattern == "never");
    }

    private const ushort ServiceStopped = 101; // docs/spec/audit-record.md

    [Fact]
    public async Task A_server_whose_HSM_hangs_can_be_stopped()
    {
        hsm.Hsm.Hang("*");
        try
        {
            var stuck = hsm.IssueAsync();
            Assert.Equal(0, await hsm.Service.StopAsync());
            await Assert.ThrowsAsync<RpcException>(() => stuck);
            Assert.Equal(ServiceStopped, (await AuditLogOnDisk.ReadAsync(hsm.Service.StorePath))[^1].Event);
        }
        finally
        {
            hsm.Hsm.Clear();
            await hsm.Service.StartAsync();
        }
        await hsm.WorksAsync();
    }

    /// <summary>Health says so, and the next call works: after a hang of the other tests too.</summary>
    private async Task BecomesWellAsync()
    {
        using var health = new HealthChannel(hsm.Service);
        await health.BecomesAsync(ServingStatus.Serving);
        await Until.TrueAsync(
            async () =>
            {
                try
                {
                    await hsm.WorksAsync();
                    return true;
                }
                catch (RpcException refused) when (refused.StatusCode == StatusCode.Unavailable)
                {
                    return false;
                }
            },
            "calls that work");
        await hsm.Service.SettleAsync();
    }
}
