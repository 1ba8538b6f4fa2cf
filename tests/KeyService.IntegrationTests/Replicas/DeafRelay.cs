using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net.Sockets;

namespace KeyService.IntegrationTests.Replicas;

/// <summary>
/// Stands between a server and the database's socket and, while it is told to, keeps every notification to itself: what a pooler does that hands sessions
/// out by transaction, and what a connection does that died without a word.
/// </summary>
internal sealed class DeafRelay : IAsyncDisposable
{
    private const string SocketName = ".s.PGSQL.5432";
    private const byte NotificationResponse = (byte)'A';
    private const int HeaderLength = 5;
    private readonly DirectoryInfo directory = System.IO.Directory.CreateTempSubdirectory("keyservice-relay-");
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly List<Task> relays = [];
    private readonly Task accepting;
    private volatile bool deaf;
    private int kept;

    public DeafRelay(string socketDirectory)
    {
        listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(directory.FullName, SocketName)));
        listener.Listen();
        accepting = AcceptAsync(new UnixDomainSocketEndPoint(Path.Combine(socketDirectory, SocketName)));
    }

    /// <summary>What a server is told as the database's host.</summary>
    public string Directory => directory.FullName;

    /// <summary>Whether notifications are kept.</summary>
    public bool IsDeaf
    {
        get => deaf;
        set => deaf = value;
    }

    /// <summary>Notifications kept so far.</summary>
    public int Kept => Volatile.Read(ref kept);

    /// <summary>After the servers behind it have ended.</summary>
    public async ValueTask DisposeAsync()
    {
        listener.Dispose();
        await accepting;
        await Task.WhenAll(relays);
        directory.Delete(recursive: true);
    }

    private async Task AcceptAsync(UnixDomainSocketEndPoint database)
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptAsync();
                relays.Add(Task.Run(() => RelayAsync(client, database)));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end.
        }
    }

    private async Task RelayAsync(Socket client, UnixDomainSocketEndPoint database)
    {
        using var server = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using (client)
        {
            try
            {
                await server.ConnectAsync(database);
                await using var left = new NetworkStream(client);
                await using var right = new NetworkStream(server);
                // Whichever ends first ends the other.
                var there = left.CopyToAsync(right);
                var back = PassOnAsync(PipeReader.Create(right), PipeWriter.Create(left));
                await Task.WhenAny(there, back);
                client.Dispose();
                server.Dispose();
                await Task.WhenAll(there, back);
            }
            catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
            {
                // One of both is gone; the other sees its connection end.
            }
        }
    }

    /// <summary>Message by message: a type byte and a length that counts itself.</summary>
    private async Task PassOnAsync(PipeReader reader, PipeWriter writer)
    {
        while (true)
        {
            var read = await reader.ReadAsync();
            var rest = read.Buffer;
            while (TryTake(ref rest, out var message))
            {
                if (message.FirstSpan[0] == NotificationResponse && deaf)
                {
                    Interlocked.Increment(ref kept);
                    continue;
                }

                foreach (var part in message)
                {
                    writer.Write(part.Span);
                }
            }

            reader.AdvanceTo(rest.Start, rest.End);
            if (read.IsCompleted || (await writer.FlushAsync()).IsCompleted)
            {
                return;
            }
        }
    }

    private static bool TryTake(ref ReadOnlySequence<byte> rest, out ReadOnlySequence<byte> message)
    {
        message = default;
        if (rest.Length < HeaderLength)
        {
            return false;
        }

        Span<byte> header = stackalloc byte[HeaderLength];
        rest.Slice(0, HeaderLength).CopyTo(header);
        var length = 1 + BinaryPrimitives.ReadInt32BigEndian(header[1..]);
        if (rest.Length < length)
        {
            return false;
        }

        message = rest.Slice(0, length);
        rest = rest.Slice(length);
        return true;
    }
}
