using System.Collections.Concurrent;
using System.Diagnostics;
using Google.Rpc;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>Ten times as many calls as there are places: the rest is told to come again, those let in are served in bounded time, and it ends.</summary>
public sealed class OverloadTests(FaultyDiskService faulty, ITestOutputHelper output) : IClassFixture<FaultyDiskService>
{
    private const int Places = 16, Callers = 10 * Places, SyncMilliseconds = 30;

    [Fact]
    public async Task Ten_times_the_load_is_shed_with_RetryInfo_and_recovered_from()
    {
        var service = faulty.Service;
        await service.StopAsync();
        service.WriteConfig(all => all["limits"] = new Dictionary<string, object?> { ["concurrentCalls"] = Places });
        await service.StartAsync();
        using var channel = service.ConnectAs("database");
        var cipher = new Cipher.CipherClient(channel);
        await cipher.EncryptAsync(new EncryptRequest { Key = "bad-day" });
        var before = (await AuditLogOnDisk.ReadAsync(service.StorePath)).Count;
        // A disk of this speed keeps each place taken for a while, so that the load is what it says on any machine.
        faulty.Disk.SyncDelay = SyncMilliseconds;
        var answered = new ConcurrentQueue<(Answer Answer, TimeSpan Took)>();
        var refused = new ConcurrentQueue<(string TraceId, RpcException Failure)>();
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 10; i++)
            {
                await CallAsync(cipher, answered, refused);
            }
        })));
        faulty.Disk.SyncDelay = 0;

        var times = answered.Select(one => one.Took.TotalMilliseconds).Order().ToList();
        output.WriteLine($"{answered.Count} answered (p50 {times[times.Count / 2]:0} ms, p99 {times[times.Count * 99 / 100]:0} ms), {refused.Count} refused");
        Assert.Equal(10 * Callers, answered.Count + refused.Count);
        Assert.InRange(refused.Count, Callers, int.MaxValue);
        Assert.All(refused, one =>
        {
            var status = one.Failure.GetRpcStatus();
            Assert.Equal((StatusCode.ResourceExhausted, "OVERLOADED"), (one.Failure.StatusCode, status?.GetDetail<ErrorInfo>()?.Reason));
            Assert.InRange(status!.GetDetail<RetryInfo>()!.RetryDelay.ToTimeSpan(), TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(10));
        });
        // Whoever is let in waits behind two group commits at most; the rest is a busy machine (3 s were seen at a load of 60 on two cores).
        Assert.InRange(times[times.Count * 99 / 100], 0, 20_000);
        var log = await AuditLogOnDisk.ReadAsync(service.StorePath, before);
        Answers.AreLogged([.. answered.Select(one => one.Answer)], log);
        // docs/adr/0041: a record each would make refusing as dear as doing.
        Assert.Empty(log.Select(call => call.TraceId).Intersect(refused.Select(one => one.TraceId)));
        await service.WaitForLogAsync("calls for want of a place since the last such line");

        for (var i = 0; i < 200; i++)
        {
            await cipher.EncryptAsync(new EncryptRequest { Key = "bad-day" });
        }
    }

    private static async Task CallAsync(
        Cipher.CipherClient cipher, ConcurrentQueue<(Answer, TimeSpan)> answered, ConcurrentQueue<(string, RpcException)> refused)
    {
        var headers = Workload.Traced(out var trace);
        var begun = Stopwatch.GetTimestamp();
        try
        {
            await cipher.EncryptAsync(new EncryptRequest { Key = "bad-day" }, headers);
            answered.Enqueue((new Answer(trace), Stopwatch.GetElapsedTime(begun)));
        }
        catch (RpcException failure)
        {
            refused.Enqueue((trace, failure));
        }
    }
}
