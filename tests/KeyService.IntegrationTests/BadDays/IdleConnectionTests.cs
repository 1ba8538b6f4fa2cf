using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Grpc.Net.Client;
using KeyService.IntegrationTests.Transport;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>Ten thousand clients that are connected and say nothing.</summary>
public sealed class IdleConnectionTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Many = 10_000, Spare = 600;
    private readonly ServiceFixture service = new();

    public async ValueTask InitializeAsync()
    {
        await service.InitializeAsync();
        await service.CreateKeyAsync("idle");
        await service.RegisterUnixUserAsync("me");
    }

    public ValueTask DisposeAsync() => service.DisposeAsync();

    [Fact]
    public Task Ten_thousand_idle_connections_on_the_socket_leave_room_for_the_next_client() => HoldAsync(async () =>
    {
        var client = await RawHttp2.ConnectAsync(service.SocketPath);
        Assert.NotNull(await client.ReadAsync());
        return client;
    });

    [Fact]
    [Trait("Duration", "long")]
    public Task Ten_thousand_idle_TLS_connections_leave_room_for_the_next_client()
    {
        var certificate = X509Certificate2.CreateFromPemFile(service.Database.CertificatePath, service.Database.KeyPath);
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ClientCertificates = [certificate],
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
        };
        return HoldAsync(async () =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync("127.0.0.1", service.Port);
            var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
            await tls.AuthenticateAsClientAsync(options);
            await tls.WriteAsync(Encoding.ASCII.GetBytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
            await tls.WriteAsync(RawHttp2.Frame(RawHttp2.Settings, 0, 0, []));
            Assert.NotEqual(0, await tls.ReadAsync(new byte[9]));
            return tls;
        });
    }

    [Fact]
    public async Task Connections_over_the_limit_are_refused_and_the_log_says_by_which_limit()
    {
        await service.StopAsync();
        service.WriteConfig(all => all["limits"] = new Dictionary<string, object?> { ["connections"] = 20, ["handshakes"] = 10 });
        await service.StartAsync();
        var open = new List<RawHttp2>();
        for (var i = 0; i < 20; i++)
        {
            open.Add(await RawHttp2.ConnectAsync(service.SocketPath));
            Assert.NotNull(await open[i].ReadAsync());
        }
        await Until.TrueAsync(async () => await IsRefusedAsync(), "the refusal of a connection too many");
        await service.WaitForLogAsync("(limits.connections)");

        foreach (var connection in open)
        {
            await connection.DisposeAsync();
        }
        await Until.TrueAsync(async () => !await IsRefusedAsync(), "a place");

        // Strangers who begin a handshake and leave it there: the oldest goes for the newest, and a client that can say who it is gets in.
        var strangers = new List<TcpClient>();
        for (var i = 0; i < 15; i++)
        {
            strangers.Add(new TcpClient());
            await strangers[i].ConnectAsync("127.0.0.1", service.Port);
        }
        await strangers[0].GetStream().ReadAsync(new byte[1]).AsTask().WaitAsync(Command.Limit).ContinueWith(_ => { }, TaskScheduler.Default);
        await service.WaitForLogAsync("(limits.handshakes)");
        using (var channel = service.ConnectAs("database"))
        {
            await new Cipher.CipherClient(channel).EncryptAsync(new EncryptRequest { Key = "idle" });
        }
        strangers.ForEach(stranger => stranger.Dispose());
    }

    private async Task<bool> IsRefusedAsync()
    {
        try
        {
            await using var connection = await RawHttp2.ConnectAsync(service.SocketPath);
            return await connection.ReadAsync() is null;
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            return true;
        }
    }

    private async Task HoldAsync<T>(Func<Task<T>> connect)
        where T : IAsyncDisposable
    {
        Infrastructure.Require(MostFiles() >= Many + Spare, $"{Many + Spare} open files a process (ulimit -Hn)");
        using (var first = service.ConnectAs("database"))
        {
            await EncryptAsync(first);
        }
        var before = ResidentKilobytes();
        var connections = new List<T>(Many);
        try
        {
            await Parallel.ForEachAsync(Enumerable.Range(0, Many), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (_, _) =>
            {
                var connection = await connect();
                lock (connections)
                {
                    connections.Add(connection);
                }
            });
            var each = (ResidentKilobytes() - before) / (double)Many;
            output.WriteLine($"{Many} connections: {before} KB before, {each:0.0} KB each");
            Assert.InRange(each, 0, 100);
            using var tcp = service.ConnectAs("backup");
            await EncryptAsync(tcp);
            using var unix = GrpcClients.ConnectUnix(service.SocketPath);
            await EncryptAsync(unix);
        }
        finally
        {
            foreach (var connection in connections)
            {
                await connection.DisposeAsync();
            }
        }
        using var after = service.ConnectAs("database");
        await EncryptAsync(after);
    }

    private static async Task EncryptAsync(GrpcChannel channel) =>
        await new Cipher.CipherClient(channel).EncryptAsync(new EncryptRequest { Key = "idle" }, deadline: DateTime.UtcNow.AddMinutes(1));

    private long ResidentKilobytes() => long.Parse(
        File.ReadLines($"/proc/{service.ServerId}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);

    private static long MostFiles()
    {
        var words = File.ReadLines("/proc/self/limits").First(line => line.StartsWith("Max open files", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return long.TryParse(words[4], CultureInfo.InvariantCulture, out var most) ? most : long.MaxValue;
    }
}
