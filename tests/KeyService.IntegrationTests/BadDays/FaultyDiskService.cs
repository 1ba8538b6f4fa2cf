using Google.Rpc;
using Grpc.Core;
using Grpc.Health.V1;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>A service with <see cref="DiskFaults"/> under its store, and what each of them must not break.</summary>
public sealed class FaultyDiskService : IAsyncLifetime
{
    private const string Key = "bad-day";
    private const int Callers = 6, Enough = 60;
    private int cases;

    internal ServiceFixture Service { get; } = new();

    internal DiskFaults Disk { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Infrastructure.RequireSoftHsm();
        Disk = await DiskFaults.UnderAsync(Service);
        await Service.InitializeAsync();
        await Service.CreateKeyAsync(Key);
    }

    public async ValueTask DisposeAsync()
    {
        await Service.DisposeAsync();
        Disk?.Dispose();
    }

    /// <summary>
    /// Clients call; the fault begins: refusals, and not one answer; health says no and the log says <paramref name="why"/>; the fault ends: answers
    /// again without anybody's doing. Afterwards all that was answered holds and is on record, also after a kill.
    /// </summary>
    internal async Task SurvivesAsync(Action begin, Action end, string why)
    {
        using var health = new HealthChannel(Service);
        await health.BecomesAsync(ServingStatus.Serving);
        var before = (await AuditLogOnDisk.ReadAsync(Service.StorePath)).Count;
        var workload = new Workload(Service, Key, seed: ++cases);

        using (var stop = new CancellationTokenSource())
        {
            var calling = workload.RunAsync(Callers, stop.Token);
            await Until.TrueAsync(() => workload.Answered.Count > Enough, "answers before the fault");
            begin();
            try
            {
                // As many refusals as callers: what was on its way when the fault began has ended one way or the other.
                await Until.TrueAsync(() => workload.Failures.Count >= Callers, "refusals under the fault");
                var answered = workload.Answered.Count;
                await health.BecomesAsync(ServingStatus.NotServing);
                await stop.CancelAsync();
                await calling;
                Assert.Equal(answered, workload.Answered.Count);
            }
            finally
            {
                end();
            }
        }
        Assert.All(workload.Failures, AssertRefusedAsUnavailable);
        Assert.Contains(why, Service.ServerLog, StringComparison.Ordinal);

        await health.BecomesAsync(ServingStatus.Serving);
        await RunUntilAsync(workload, workload.Answered.Count + Enough);
        await workload.AskAgainAsync();
        await HoldsAsync(workload, before);
        // What was answered after the fault must stand as firmly as what came before it.
        await Service.CrashAsync();
        await Service.StartAsync();
        await HoldsAsync(workload, before);
    }

    /// <summary>A sync that never comes back: callers wait to their deadlines, health says so, and all goes on when it returns.</summary>
    internal async Task SurvivesHangAsync()
    {
        using var health = new HealthChannel(Service);
        await health.BecomesAsync(ServingStatus.Serving);
        var before = (await AuditLogOnDisk.ReadAsync(Service.StorePath)).Count;
        var workload = new Workload(Service, Key, seed: ++cases);
        await RunUntilAsync(workload, Enough);
        using var stop = new CancellationTokenSource();
        Disk.SyncHold = true;
        var calling = workload.RunAsync(Callers, stop.Token);
        await Task.WhenAny(calling, health.BecomesAsync(ServingStatus.NotServing));
        Assert.Contains("store is not well: No answer within 15 s", Service.ServerLog, StringComparison.Ordinal);
        var answered = workload.Answered.Count;
        Disk.SyncHold = false;
        await Until.TrueAsync(() => workload.Answered.Count > answered + Enough, "answers after the hang");
        await health.BecomesAsync(ServingStatus.Serving);
        await stop.CancelAsync();
        await calling;
        Assert.Empty(workload.Failures);
        await HoldsAsync(workload, before);
    }

    internal static async Task RunUntilAsync(Workload workload, int answers)
    {
        using var stop = new CancellationTokenSource();
        var calling = workload.RunAsync(Callers, stop.Token);
        await Until.TrueAsync(() => workload.Answered.Count >= answers, "answers");
        await stop.CancelAsync();
        await calling;
    }

    internal async Task HoldsAsync(Workload workload, long since)
    {
        await Answers.HoldAsync(Service, workload.Answered);
        Answers.AreLogged(workload.Answered, await AuditLogOnDisk.ReadAsync(Service.StorePath, since));
    }

    internal static void AssertRefusedAsUnavailable(RpcException refusal) => Assert.Contains(
        refusal.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason ?? refusal.Status.ToString(), new[] { "AUDIT_UNAVAILABLE", "STORE_UNAVAILABLE" });
}
