using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.IntegrationTests.Transport;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>
/// One client that floods the server with frames that cost it more than they cost the client (CVE-2023-44487 and its kin) and reads no answer. Others are
/// served meanwhile, memory stays bounded, and what has no end is cut.
/// </summary>
public sealed class FloodTests(ServiceFixture service, ITestOutputHelper output) : IClassFixture<ServiceFixture>
{
    private const string Encrypt = "/keyservice.v1.Cipher/Encrypt";
    private const int Writes = 1500, FramesAWrite = 200, MaxGrowthKilobytes = 400 << 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    [Fact]
    public async Task Streams_opened_and_reset_at_once() => Assert.True(await FloodAsync(write => Repeat(frame =>
    {
        var stream = 2 * ((write * FramesAWrite) + frame) + 1;
        return [.. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, stream, Block), .. RawHttp2.Frame(RawHttp2.Reset, 0, stream, [0, 0, 0, 8])];
    })), "300,000 streams were opened and reset on one connection, and it was not cut.");

    [Fact]
    public async Task Headers_that_never_end() => Assert.True(await FloodAsync(write => write == 0
        ? RawHttp2.Frame(RawHttp2.Headers, 0, 1, Block)
        : Repeat(_ => RawHttp2.Frame(RawHttp2.Continuation, 0, 1, Literal))), "Headers without an end were taken.");

    [Fact]
    public Task Pings() => FloodAsync(_ => Repeat(_ => RawHttp2.Frame(RawHttp2.Ping, 0, 0, new byte[8])));

    [Fact]
    public Task Settings() => FloodAsync(_ => Repeat(_ => RawHttp2.Frame(RawHttp2.Settings, 0, 0, [0, 3, 0, 0, 0, 100])));

    [Fact]
    public Task Priorities() => FloodAsync(_ => Repeat(frame => RawHttp2.Frame(RawHttp2.Priority, 0, (2 * frame) + 1, [0, 0, 0, 0, 16])));

    [Fact]
    public Task Empty_data() => FloodAsync(write => write == 0
        ? RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 1, Block)
        : Repeat(_ => RawHttp2.Frame(RawHttp2.Data, 0, 1, [])));

    private static byte[] Block { get; } = RawHttp2.HeaderBlock(Encrypt);

    // A header field "x: y", literal, not indexed.
    private static byte[] Literal { get; } = [0, 1, (byte)'x', 1, (byte)'y'];

    private static byte[] Repeat(Func<int, byte[]> frame) => [.. Enumerable.Range(0, FramesAWrite).SelectMany(frame)];

    /// <summary>True when the server cut the connection.</summary>
    private async Task<bool> FloodAsync(Func<int, byte[]> burst)
    {
        const string key = "flood";
        using var others = service.ConnectAs("database");
        try
        {
            await service.CreateKeyAsync(key);
        }
        catch (RpcException exists) when (exists.StatusCode == StatusCode.AlreadyExists)
        {
            // Made by the test before this one.
        }
        await CallAsync(others, key);
        var before = ResidentKilobytes();
        using var end = new CancellationTokenSource();
        var served = ServeOthersAsync(others, key, end.Token);

        var cut = false;
        var written = 0;
        await using (var flood = await RawHttp2.ConnectAsync(service.SocketPath))
        {
            for (; written < Writes && !cut; written++)
            {
                try
                {
                    using var patience = new CancellationTokenSource(Patience);
                    await flood.WriteRawAsync(burst(written), patience.Token);
                }
                catch (OperationCanceledException)
                {
                    // It reads no more, since nobody takes its answers: memory is bounded, and that is all it owes this client.
                    break;
                }
                catch (Exception exception) when (exception is IOException or SocketException)
                {
                    cut = true;
                }
            }
        }
        await end.CancelAsync();
        var (calls, slowest) = await served;
        var growth = ResidentKilobytes() - before;
        output.WriteLine(
            $"{written * FramesAWrite} frames written, {(cut ? "cut" : "not cut")}; {calls} other calls, slowest {slowest.TotalMilliseconds:0} ms; {growth / 1024} MiB more");
        Assert.InRange(calls, 1, int.MaxValue);
        Assert.InRange(growth, long.MinValue, MaxGrowthKilobytes);
        await CallAsync(others, key);
        return cut;
    }

    private static async Task<(int Calls, TimeSpan Slowest)> ServeOthersAsync(GrpcChannel others, string key, CancellationToken end)
    {
        var calls = 0;
        var slowest = TimeSpan.Zero;
        do
        {
            var begun = Stopwatch.GetTimestamp();
            await CallAsync(others, key);
            slowest = TimeSpan.FromTicks(Math.Max(slowest.Ticks, Stopwatch.GetElapsedTime(begun).Ticks));
            calls++;
        }
        while (!end.IsCancellationRequested);
        return (calls, slowest);
    }

    // As a client does: told that there is no place, it comes again.
    private static async Task CallAsync(GrpcChannel channel, string key)
    {
        while (true)
        {
            try
            {
                await new Cipher.CipherClient(channel).EncryptAsync(new EncryptRequest { Key = key }, deadline: DateTime.UtcNow.AddMinutes(1));
                return;
            }
            catch (RpcException full) when (full.StatusCode == StatusCode.ResourceExhausted)
            {
                await Task.Delay(50);
            }
        }
    }

    private long ResidentKilobytes() => long.Parse(
        File.ReadLines($"/proc/{service.ServerId}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);
}
