using System.Buffers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using KeyService.Server.Audit.Search;

namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// Syslog over TLS (RFC 5425). The protocol has no acknowledgement, so a confirmation is the orderly end of a connection: we say that no more
/// comes (close_notify), and the receiver, which reads that only behind everything else, says the same, or, where that is configured, ends TCP
/// in order. A connection that ends otherwise confirms nothing, and
/// what it carried is sent again; receivers tell the second copy by slot and sequence (ADR 0241).
/// </summary>
internal sealed class SyslogSink(SyslogSinkConfiguration configuration, TimeProvider time) : IAuditSink
{
    private const int ChunkLength = 64 * 1024;

    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);

    /// <summary>A receiver may be slow, as long as it moves.</summary>
    private static readonly TimeSpan StallLimit = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan RefusalTime = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan TcpLook = TimeSpan.FromMilliseconds(5);

    private Connection? _connection;

    public SinkPace Pace { get; } = new(10_000, 16 * 1024 * 1024, TimeSpan.FromSeconds(60));

    public async Task SendAsync(int slot, IReadOnlyList<LoggedRecord> records, CancellationToken cancellationToken) => await Attempt(
        async () =>
        {
            _connection ??= await ConnectAsync(cancellationToken);
            var frames = new ArrayBufferWriter<byte>();
            foreach (var record in records)
            {
                SyslogMessage.AppendFrame(frames, record, Environment.MachineName, configuration.Enterprise);
            }

            for (var rest = frames.WrittenMemory; rest.Length > 0; rest = rest[Math.Min(ChunkLength, rest.Length)..])
            {
                _connection.DemandOpen();
                await Limited(StallLimit, token => _connection.Stream.WriteAsync(rest[..Math.Min(ChunkLength, rest.Length)], token), cancellationToken);
            }
        },
        cancellationToken);

    public async Task ConfirmAsync(CancellationToken cancellationToken) => await Attempt(
        async () =>
        {
            if (_connection is not { } connection)
            {
                return;
            }

            connection.DemandOpen();
            await connection.Stream.ShutdownAsync();
            connection.Client.Client.Shutdown(SocketShutdown.Send);
            await Limited(StallLimit, async token => await connection.Ended.WaitAsync(token), cancellationToken);
            await DemandReadAsync(connection, cancellationToken);
            await ResetAsync();
        },
        cancellationToken);

    private async Task DemandReadAsync(Connection connection, CancellationToken cancellationToken)
    {
        if (!connection.Raw.Ended)
        {
            return;
        }

        if (configuration.Confirmation == SyslogConfirmation.CloseNotify)
        {
            throw new IOException(
                "it ended the connection without close_notify, so nothing says that it read everything; if it never sends one, set \"confirmation\" to \"tcp-end\"");
        }

        await Limited(
            StallLimit,
            async token =>
            {
                while (!TcpEnd.IsReached(connection.Client.Client))
                {
                    await Task.Delay(TcpLook, time, token);
                }
            },
            cancellationToken);
        if (TcpEnd.ErrorOf(connection.Client.Client) is { } error)
        {
            throw new IOException($"it did not read everything ({error})");
        }
    }

    public async Task ResetAsync()
    {
        if (_connection is { } connection)
        {
            _connection = null;
            connection.Client.Dispose();
            await connection.Stream.DisposeAsync();
            await connection.Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public async ValueTask DisposeAsync() => await ResetAsync();

    private async Task<Connection> ConnectAsync(CancellationToken cancellationToken)
    {
        var options = SinkTls.Options(configuration.Tls, configuration.ServerName);
        var client = new TcpClient();
        SslStream? stream = null;
        try
        {
            await Limited(ConnectLimit, token => client.ConnectAsync(configuration.Host, configuration.Port, token), cancellationToken);
            client.Client.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            var raw = new EndSeeingStream(client.GetStream());
            stream = new SslStream(raw);
            await Limited(ConnectLimit, async token => await stream.AuthenticateAsClientAsync(options, token), cancellationToken);
            var connection = new Connection(client, raw, stream);
            if (configuration.Confirmation == SyslogConfirmation.TcpEnd)
            {
                // In TLS 1.3 a receiver refuses our certificate after we have called the connection ours; had it read something by then, that
                // would look like an end in order.
                await Task.WhenAny(connection.Ended, Task.Delay(RefusalTime, time, cancellationToken));
            }

            return connection;
        }
        catch
        {
            client.Dispose();
            if (stream is not null)
            {
                await stream.DisposeAsync();
            }

            throw;
        }
    }

    private async Task Limited(TimeSpan limit, Func<CancellationToken, ValueTask> work, CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            await work(both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new SinkException($"The receiver {configuration.Target} did not move for {limit.TotalSeconds:0} s.");
        }
    }

    private async Task Attempt(Func<Task> work, CancellationToken cancellationToken)
    {
        try
        {
            await work();
        }
        catch (AuthenticationException e)
        {
            throw new SinkException($"TLS with {configuration.Target} fails: {e.InnerException?.Message ?? e.Message}", e);
        }
        catch (Exception e) when (e is IOException or SocketException or UnauthorizedAccessException or CryptographicException or ObjectDisposedException
            && !cancellationToken.IsCancellationRequested)
        {
            throw new SinkException($"The receiver {configuration.Target}: {e.Message}", e);
        }
    }

    // A receiver sends nothing: whatever reading brings is the end.
    private sealed record Connection(TcpClient Client, EndSeeingStream Raw, SslStream Stream)
    {
        public Task Ended { get; } = ReadAsync(Stream);

        /// <exception cref="IOException">The receiver has ended it.</exception>
        public void DemandOpen()
        {
            if (Ended.IsCompleted)
            {
                throw new IOException("it ended the connection");
            }
        }

        private static async Task ReadAsync(SslStream stream)
        {
            var nothing = new byte[256];
            while (await stream.ReadAsync(nothing) > 0)
            {
            }
        }
    }
}
