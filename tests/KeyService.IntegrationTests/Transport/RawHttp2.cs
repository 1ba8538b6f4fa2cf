using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace KeyService.IntegrationTests.Transport;

/// <summary>One HTTP/2 frame as it came (RFC 9113 section 4.1).</summary>
internal sealed record Http2Frame(byte Type, byte Flags, int StreamId, byte[] Payload);

/// <summary>
/// A client that writes HTTP/2 frames by hand, so that it can write wrong ones. Headers go out as literals without Huffman coding
/// (RFC 7541 section 6.2.2) and are not decoded on the way back: what a test needs, it finds by looking for the bytes.
/// </summary>
internal sealed class RawHttp2 : IAsyncDisposable
{
    public const byte Data = 0, Headers = 1, Priority = 2, Reset = 3, Settings = 4, Ping = 6, GoAway = 7, WindowUpdate = 8, Continuation = 9;
    public const byte EndStream = 1, EndHeaders = 4;
    private const int FrameHeaderBytes = 9;
    private readonly NetworkStream stream;

    private RawHttp2(NetworkStream stream) => this.stream = stream;

    public static async Task<RawHttp2> ConnectAsync(EchoServer server) => await OverAsync(await server.ConnectSocketAsync());

    public static async Task<RawHttp2> ConnectAsync(string socketPath)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath));
        return await OverAsync(socket);
    }

    private static async Task<RawHttp2> OverAsync(Socket socket)
    {
        var client = new RawHttp2(new NetworkStream(socket, ownsSocket: true));
        await client.stream.WriteAsync(Encoding.ASCII.GetBytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        await client.WriteAsync(Settings, 0, 0, []);
        return client;
    }

    public Task RequestAsync(
        int streamId, string path, string contentType = "application/grpc", bool end = false, params (string, string)[] more) =>
        WriteAsync(Headers, (byte)(EndHeaders | (end ? EndStream : 0)), streamId, HeaderBlock(path, contentType, more));

    /// <summary>The headers of a call.</summary>
    public static byte[] HeaderBlock(string path, string contentType = "application/grpc", params (string, string)[] more)
    {
        var block = new MemoryStream();
        foreach (var (name, value) in new[]
        {
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"), ("content-type", contentType),
            ("te", "trailers"),
        }.Concat(more))
        {
            block.WriteByte(0);
            WriteText(block, name);
            WriteText(block, value);
        }
        return block.ToArray();
    }

    public Task MessageAsync(int streamId, byte flag, uint length, byte[] body, bool end = true)
    {
        var data = new byte[5 + body.Length];
        data[0] = flag;
        BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(1), length);
        body.CopyTo(data, 5);
        return WriteAsync(Data, end ? EndStream : (byte)0, streamId, data);
    }

    public async Task WriteAsync(byte type, byte flags, int streamId, byte[] payload) =>
        await stream.WriteAsync(Frame(type, flags, streamId, payload));

    /// <summary>Bytes as they are, for floods of frames made before.</summary>
    public ValueTask WriteRawAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellation) => stream.WriteAsync(bytes, cancellation);

    /// <summary>A frame's bytes.</summary>
    public static byte[] Frame(byte type, byte flags, int streamId, byte[] payload)
    {
        var frame = new byte[FrameHeaderBytes + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)payload.Length << 8 | type);
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), streamId);
        payload.CopyTo(frame, FrameHeaderBytes);
        return frame;
    }

    /// <summary>The next frame; null when the server closed the connection.</summary>
    public async Task<Http2Frame?> ReadAsync()
    {
        var header = new byte[FrameHeaderBytes];
        try
        {
            await stream.ReadExactlyAsync(header);
            var payload = new byte[BinaryPrimitives.ReadUInt32BigEndian(header) >> 8];
            await stream.ReadExactlyAsync(payload);
            return new Http2Frame(header[3], header[4], BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5)) & int.MaxValue, payload);
        }
        catch (Exception exception) when (exception is EndOfStreamException or IOException)
        {
            return null;
        }
    }

    /// <summary>Reads on until the stream ends or is reset, or the connection closes, and gives all its frames.</summary>
    public async Task<List<Http2Frame>> ReadStreamAsync(int streamId)
    {
        var frames = new List<Http2Frame>();
        while (await ReadAsync() is { } frame)
        {
            if (frame.StreamId != streamId)
                continue;
            frames.Add(frame);
            if (frame.Type == Reset || frame.Type is Data or Headers && (frame.Flags & EndStream) != 0)
                break;
        }
        return frames;
    }

    public ValueTask DisposeAsync() => stream.DisposeAsync();

    private static void WriteText(MemoryStream block, string text)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        // A length below 127 is one byte; no test needs more.
        block.WriteByte((byte)bytes.Length);
        block.Write(bytes);
    }
}
