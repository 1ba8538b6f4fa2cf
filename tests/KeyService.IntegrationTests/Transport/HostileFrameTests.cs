using System.IO.Compression;
using System.Text;
using Grpc.Core;

namespace KeyService.IntegrationTests.Transport;

/// <summary>Whatever a client writes, the server stays up and answers the next call.</summary>
public sealed class HostileFrameTests(EchoServer server) : IClassFixture<EchoServer>
{
    private const string Path = "/transport.test.Echo/Unary";
    private const string Duplex = "/transport.test.Echo/Duplex";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_compression_flag_that_is_neither_0_nor_1_is_refused()
    {
        await RefusedAsync(async client =>
        {
            await client.RequestAsync(1, Path);
            await client.MessageAsync(1, flag: 7, length: 3, [1, 2, 3]);
        });
    }

    [Fact]
    public async Task A_compressed_message_without_an_encoding_is_refused()
    {
        await RefusedAsync(async client =>
        {
            await client.RequestAsync(1, Path);
            await client.MessageAsync(1, flag: 1, length: 3, [1, 2, 3]);
        });
    }

    [Fact]
    public async Task A_message_that_says_gzip_and_is_not_is_refused()
    {
        await RefusedAsync(async client =>
        {
            await client.RequestAsync(1, Path, more: ("grpc-encoding", "gzip"));
            await client.MessageAsync(1, flag: 1, length: 3, [1, 2, 3]);
        });
    }

    [Fact]
    public async Task A_length_longer_than_the_body_is_refused()
    {
        await RefusedAsync(async client =>
        {
            await client.RequestAsync(1, Path);
            await client.MessageAsync(1, flag: 0, length: 1000, [1, 2, 3]);
        });
    }

    [Fact]
    public async Task A_length_shorter_than_the_body_is_refused()
    {
        await RefusedAsync(async client =>
        {
            await client.RequestAsync(1, Path);
            await client.MessageAsync(1, flag: 0, length: 2, [1, 2, 3, 4]);
        });
    }

    [Fact]
    public async Task A_length_over_the_limit_is_refused_before_the_body_came()
    {
        await RefusedAsync(async client =>
        {
            await client.RequestAsync(1, Path);
            await client.MessageAsync(1, flag: 0, length: uint.MaxValue, [1], end: false);
        });
    }

    [Fact]
    public async Task A_body_that_ends_inside_the_prefix_is_refused()
    {
        await RefusedAsync(async client =>
        {
            await client.RequestAsync(1, Path);
            await client.WriteAsync(RawHttp2.Data, RawHttp2.EndStream, 1, [0, 0]);
        });
    }

    [Fact]
    public async Task A_call_without_any_message_is_refused()
    {
        await RefusedAsync(client => client.RequestAsync(1, Path, end: true));
    }

    [Fact]
    public async Task A_content_type_that_is_not_gRPC_is_refused()
    {
        await RefusedAsync(async client =>
        {
            await client.RequestAsync(1, Path, contentType: "application/json");
            await client.MessageAsync(1, flag: 0, length: 1, [1]);
        });
    }

    [Fact]
    public async Task A_gzip_bomb_is_refused_at_the_message_limit()
    {
        var bomb = new MemoryStream();
        using (var gzip = new GZipStream(bomb, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            var zeros = new byte[1024 * 1024];
            for (var round = 0; round < 256; round++)
                gzip.Write(zeros);
        }
        var before = GC.GetTotalAllocatedBytes();
        await RefusedAsync(async client =>
        {
            await client.RequestAsync(1, Path, more: ("grpc-encoding", "gzip"));
            var body = bomb.ToArray();
            Assert.InRange(body.Length, 1, 1024 * 1024);
            var sent = 0;
            // Frames of 16 KiB: the most that a peer may send before it has read the server's settings.
            await client.MessageAsync(
                1, flag: 1, length: (uint)body.Length, body[..Math.Min(16_000, body.Length)], end: body.Length <= 16_000);
            sent = Math.Min(16_000, body.Length);
            while (sent < body.Length)
            {
                var part = Math.Min(16_000, body.Length - sent);
                await client.WriteAsync(
                    RawHttp2.Data, sent + part == body.Length ? RawHttp2.EndStream : (byte)0, 1, body[sent..(sent + part)]);
                sent += part;
            }
        });
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 128 * 1024 * 1024);
    }

    [Fact]
    public async Task A_reset_in_the_middle_of_a_message_leaves_the_connection_usable()
    {
        await using var client = await RawHttp2.ConnectAsync(server);
        await client.RequestAsync(1, Duplex);
        await client.MessageAsync(1, flag: 0, length: 1000, [1, 2, 3], end: false);
        await client.WriteAsync(RawHttp2.Reset, 0, 1, [0, 0, 0, 8]);
        await client.RequestAsync(3, Path);
        await client.MessageAsync(3, flag: 0, length: 3, [7, 8, 9]);
        var frames = await client.ReadStreamAsync(3).WaitAsync(Patience);
        Assert.Contains(frames, frame =>
            frame.Type == RawHttp2.Data && frame.Payload.AsSpan().SequenceEqual(new byte[] { 0, 0, 0, 0, 3, 7, 8, 9 }));
        await StillAnswersAsync();
    }

    [Fact]
    public async Task A_frame_larger_than_was_agreed_ends_only_that_connection()
    {
        await using (var client = await RawHttp2.ConnectAsync(server))
        {
            await client.RequestAsync(1, Path);
            try
            {
                await client.WriteAsync(RawHttp2.Data, 0, 1, new byte[2 * 1024 * 1024]);
            }
            catch (IOException)
            {
                // The server closed before it had taken the frame.
            }
            Http2Frame? last = null;
            while (await client.ReadAsync().WaitAsync(Patience) is { } frame)
                last = frame;
            Assert.True(last is null or { Type: RawHttp2.GoAway or RawHttp2.Settings });
        }
        await StillAnswersAsync();
    }

    [Fact]
    public async Task Bytes_that_are_no_HTTP2_end_only_that_connection()
    {
        using (var socket = await server.ConnectSocketAsync())
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            var answer = new byte[4096];
            while (await socket.ReceiveAsync(answer).WaitAsync(Patience) > 0)
            {
            }
        }
        await StillAnswersAsync();
    }

    [Fact]
    public async Task A_connection_that_ends_in_the_middle_of_a_frame_hurts_nobody()
    {
        await using (var client = await RawHttp2.ConnectAsync(server))
        {
            await client.RequestAsync(1, Duplex);
            await client.MessageAsync(1, flag: 0, length: 1_000_000, new byte[10_000], end: false);
        }
        await StillAnswersAsync();
    }

    // Refused: the stream ends or is reset without a message, the same connection takes the next call, and so does a new one.
    private async Task RefusedAsync(Func<RawHttp2, Task> hostile)
    {
        await using var client = await RawHttp2.ConnectAsync(server);
        await hostile(client);
        var frames = await client.ReadStreamAsync(1).WaitAsync(Patience);
        Assert.NotEmpty(frames);
        Assert.DoesNotContain(frames, frame => frame.Type == RawHttp2.Data && frame.Payload.Length > 0);
        await client.RequestAsync(3, Path);
        await client.MessageAsync(3, flag: 0, length: 1, [42]);
        var next = await client.ReadStreamAsync(3).WaitAsync(Patience);
        Assert.Contains(next, frame =>
            frame.Type == RawHttp2.Data && frame.Payload.AsSpan().SequenceEqual(new byte[] { 0, 0, 0, 0, 1, 42 }));
        await StillAnswersAsync();
    }

    private async Task StillAnswersAsync()
    {
        using var channel = server.Connect();
        using var call = channel.CreateCallInvoker().AsyncUnaryCall(EchoService.UnaryMethod, null, new CallOptions(), [5]);
        Assert.Equal([5], await call.ResponseAsync.WaitAsync(Patience));
    }
}
