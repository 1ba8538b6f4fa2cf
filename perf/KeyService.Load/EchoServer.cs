using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using KeyService.Grpc;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace KeyService.Load;

/// <summary>The yardstick as a process of its own: the same Kestrel, the same mutual TLS, and nothing behind it.</summary>
internal static class EchoServer
{
    public static async Task RunAsync(string certificate, string privateKey, int port, CancellationToken stop)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddGrpcTransport();
        using var pem = X509Certificate2.CreateFromPemFile(certificate, privateKey);
        var server = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ConfigureGrpcLimits();
            kestrel.ListenLocalhost(port, listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                listen.UseHttps(https =>
                {
                    https.ServerCertificate = server;
                    https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
                    https.AllowAnyClientCertificate();
                });
            });
        });
        builder.Services.UseSocketBlocks();
        await using var app = builder.Build();
        TransportHosting.VerifySocketBlocks(app.Services);
        app.MapGrpcService<EchoService>();
        await app.StartAsync(stop);
        Console.WriteLine($"echo: serving on https://localhost:{port}");
        await app.WaitForShutdownAsync(stop);
    }

    private sealed class EchoService : Echo.EchoBase
    {
        public override Task<EchoMessage> Say(EchoMessage request, ServerCallContext context) => Task.FromResult(request);

        public override async Task SayAll(
            IAsyncStreamReader<EchoMessage> requestStream, IServerStreamWriter<EchoMessage> responseStream, ServerCallContext context)
        {
            while (await requestStream.MoveNext(context.CancellationToken))
            {
                await responseStream.WriteAsync(requestStream.Current, context.CancellationToken);
            }
        }
    }
}
