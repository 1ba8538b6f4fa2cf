using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using KeyService.Grpc;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace KeyService.Fuzz.Targets;

/// <summary>The service's transport and pipeline on a Unix socket of this process; behind them handlers that read a request and answer nothing.</summary>
internal sealed class FrameHost : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("keyservice-fuzz-").FullName;
    private readonly WebApplication _application;
    private readonly HttpMessageInvoker _client;

    private FrameHost()
    {
        string socketPath = Path.Combine(_directory, "frames.sock");
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        var access = new AccessRegister(TimeProvider.System);
        builder.Services.AddRouting();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(new LimitsConfiguration());
        builder.Services.AddSingleton<IStore>(Store);
        builder.Services.AddSingleton<RequestLedger>();
        var rows = new RowAuthenticator((row, _) => new ValueTask<byte[]>(SHA256.HashData(row.Span)));
        builder.Services.AddSingleton(rows);
        builder.Services.AddSingleton(ContextDigests.DeriveAsync(rows, new byte[16], CancellationToken.None).GetAwaiter().GetResult());
        builder.Services.AddSingleton(access);
        builder.Services.AddPipeline();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.ConfigureGrpcLimits();
            kestrel.ListenUnixSocket(socketPath, listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                UnixSocketListener.Configure(listen);
            });
        });
        _application = builder.Build();
        _application.UseRouting();
        _application.UsePipeline();
        _application.MapRpc<SilentCipher>();
        access.Apply(new Principal
        {
            Name = "fuzz", Type = PrincipalType.Service, Credential = Credential.OfUid(Uid()), Disabled = false, CreateTime = DateTimeOffset.UnixEpoch, Revision = 1,
        });
        _application.StartAsync().GetAwaiter().GetResult();
        _client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellation).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Dispose();
    }

    public CountingStore Store { get; } = new();

    public static FrameHost Start() => new();

    public (HttpStatusCode Http, string? GrpcStatus) Call(string method, byte[] body, bool compressed)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://localhost/keyservice.v1.Cipher/{method}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.Add("te", "trailers");
        if (compressed)
        {
            request.Headers.Add("grpc-encoding", "gzip");
        }
        using HttpResponseMessage answer = _client.SendAsync(request, CancellationToken.None).GetAwaiter().GetResult();
        answer.Content.ReadAsByteArrayAsync().GetAwaiter().GetResult();
        return (answer.StatusCode, StatusOf(answer.TrailingHeaders) ?? StatusOf(answer.Headers));
    }

    public void Dispose()
    {
        _client.Dispose();
        _application.DisposeAsync().AsTask().GetAwaiter().GetResult();
        if (Directory.Exists(_directory))
        {
            Directory.Delete(_directory, recursive: true);
        }
    }

    private static string? StatusOf(HttpHeaders headers) => headers.TryGetValues("grpc-status", out IEnumerable<string>? values) ? values.Single() : null;

    private static uint Uid() => uint.Parse(
        File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1], System.Globalization.CultureInfo.InvariantCulture);
}
