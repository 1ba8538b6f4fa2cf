using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using KeyService.IntegrationTests.Transport;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>
/// Slow-loris: clients that send a byte now and then and hold what they began. Each kind is cut, and others are served as long as it lasts.
/// </summary>
public sealed class SlowClientTests(ServiceFixture service, ITestOutputHelper output) : IClassFixture<ServiceFixture>
{
    private const int Each = 30;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<string, TimeSpan> lasted = new();

    // A header field "x: y", literal, not indexed.
    private static readonly byte[] Field = [0, 1, (byte)'x', 1, (byte)'y'];

    // The first bytes of a TLS handshake: a record of 512 bytes that never comes.
    private static readonly byte[] ClientHello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, .. new byte[500]];

    [Fact]
    public async Task Dribbled_handshakes_headers_and_bodies_are_cut_and_others_are_served()
    {
        await service.RegisterUnixUserAsync("slow");
        var block = RawHttp2.HeaderBlock("/keyservice.v1.Cipher/Encrypt");
        byte[] headers = RawHttp2.Frame(RawHttp2.Headers, 0, 1, block);
        byte[] body = RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 1, block);
        var slow = new List<Task>();
        for (var i = 0; i < Each; i++)
        {
            slow.Add(DribbleAsync("handshake", await TcpAsync(), ClientHello[..5], ClientHello[5..].Chunk(1)));
            slow.Add(DribbleAsync("headers", await UnixAsync(), headers, Enumerable.Repeat(RawHttp2.Frame(RawHttp2.Continuation, 0, 1, Field), 1000)));
            slow.Add(DribbleAsync("body", await UnixAsync(), body, Enumerable.Repeat(RawHttp2.Frame(RawHttp2.Data, 0, 1, [0]), 1000)));
        }
        await AllCutWhileOthersAreServedAsync(slow);
    }

    [Fact]
    [Trait("Duration", "long")]
    public async Task Dribbled_prefaces_and_frames_are_cut()
    {
        // What ends a preface is the limit of a connection without a stream (130 s), what ends a frame is that it cannot answer a ping before (50 s).
        var frame = RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, 1, RawHttp2.HeaderBlock("/keyservice.v1.Cipher/Encrypt"));
        await AllCutWhileOthersAreServedAsync(
        [
            DribbleAsync("preface", await UnixAsync(preface: false), Encoding.ASCII.GetBytes("PRI * HTTP/2.0\r"), []),
            DribbleAsync("frame", await UnixAsync(), frame[..9], frame[9..^1].Chunk(1)),
        ]);
    }

    private async Task AllCutWhileOthersAreServedAsync(List<Task> slow)
    {
        var calls = 0;
        var cut = Task.WhenAll(slow).WaitAsync(Command.Limit);
        using var tcp = service.ConnectAs("database");
        while (!cut.IsCompleted)
        {
            // A new connection each time: a handshake and a call beside all those that hold theirs.
            using var channel = service.ConnectAs("backup");
            await new Access.AccessClient(channel).WhoAmIAsync(new WhoAmIRequest(), deadline: DateTime.UtcNow.AddMinutes(1));
            await new Access.AccessClient(tcp).WhoAmIAsync(new WhoAmIRequest(), deadline: DateTime.UtcNow.AddMinutes(1));
            calls++;
            await Task.Delay(Pause);
        }
        await cut;
        output.WriteLine($"{slow.Count} slow clients were cut, the last of each kind after "
            + string.Join(", ", lasted.Select(kind => $"{kind.Value.TotalSeconds:0} s ({kind.Key})")) + $"; others were served {calls} times meanwhile");
        Assert.InRange(calls, 1, int.MaxValue);
    }

    /// <summary>Sends a part, then a little every half second; completes when the server has closed the connection.</summary>
    private async Task DribbleAsync(string what, Socket socket, byte[] first, IEnumerable<byte[]> then)
    {
        var begun = Stopwatch.GetTimestamp();
        using (socket)
        {
            try
            {
                await socket.SendAsync(first);
                var closed = ReadToEndAsync(socket);
                foreach (var drop in then)
                {
                    if (await Task.WhenAny(closed, Task.Delay(Pause)) == closed)
                    {
                        break;
                    }
                    await socket.SendAsync(drop);
                }
                await closed;
            }
            catch (SocketException)
            {
                // Reset, which is as good.
            }
        }
        var took = Stopwatch.GetElapsedTime(begun);
        lasted.AddOrUpdate(what, took, (_, before) => TimeSpan.FromTicks(Math.Max(before.Ticks, took.Ticks)));
    }

    private static async Task ReadToEndAsync(Socket socket)
    {
        var answer = new byte[4096];
        while (await socket.ReceiveAsync(answer) > 0)
        {
        }
    }

    private async Task<Socket> TcpAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync("127.0.0.1", service.Port);
        return socket;
    }

    private async Task<Socket> UnixAsync(bool preface = true)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(service.SocketPath));
        if (preface)
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").Concat(RawHttp2.Frame(RawHttp2.Settings, 0, 0, [])).ToArray());
        }
        return socket;
    }
}
