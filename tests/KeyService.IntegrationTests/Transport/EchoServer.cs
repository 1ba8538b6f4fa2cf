using System.Net.Sockets;
using Grpc.Net.Client;
using KeyService.Grpc;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace KeyService.IntegrationTests.Transport;

/// <summary>The service's transport with an echo behind it, on a Unix socket: real Kestrel, real HTTP/2.</summary>
public sealed class EchoServer : IAsyncLifetime
{
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-echo-").FullName;
    private WebApplication? application;

    internal string SocketPath => Path.Combine(directory, "echo.sock");

    internal GrpcChannel Channel { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRouting();
        builder.Services.AddGrpcTransport();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.ConfigureGrpcLimits();
            kestrel.ListenUnixSocket(SocketPath, listen => listen.Protocols = HttpProtocols.Http2);
        });
        builder.Services.UseSocketBlocks();
        application = builder.Build();
        TransportHosting.VerifySocketBlocks(application.Services);
        application.MapGrpcService<EchoService>();
        // A server that is broken or not ours: a whole message, and then no word on how the call ended.
        application.MapPost($"/{EchoService.Name}/NoTrailers", async (HttpContext context) =>
        {
            context.Response.ContentType = "application/grpc";
            await context.Response.Body.WriteAsync(new byte[] { 0, 0, 0, 0, 1, 42 });
        });
        await application.StartAsync();
        Channel = Connect();
    }

    internal GrpcChannel Connect() => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        MaxReceiveMessageSize = null,
        MaxSendMessageSize = null,
        DisposeHttpClient = true,
        HttpHandler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) => new NetworkStream(await ConnectSocketAsync(cancellation), ownsSocket: true),
        },
    });

    internal async Task<Socket> ConnectSocketAsync(CancellationToken cancellation = default)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), cancellation);
        return socket;
    }

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        if (application is not null)
        {
            await application.StopAsync();
            await application.DisposeAsync();
        }
        Directory.Delete(directory, recursive: true);
    }
}
