using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Certificates;
using KeyService.Server.Hosting;
using KeyService.Server.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Server;

/// <summary>The listener of the production profile with client certificates of different lives: real Kestrel, real handshakes.</summary>
public sealed class ProductionCertificateTests : IAsyncLifetime
{
    private readonly string _directory = Directory.CreateTempSubdirectory("keyservice-production-").FullName;
    private readonly MemoryStore _store = new();
    private readonly X509Certificate2 _ca = NewCa();
    private WebApplication _application = null!;
    private CertificateLedger _ledger = null!;

    public async ValueTask InitializeAsync()
    {
        using var server = Issue("CN=localhost", 365, "1.3.6.1.5.5.7.3.1");
        File.WriteAllText(At("server.crt"), server.ExportCertificatePem());
        File.WriteAllText(At("server.key"), server.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(At("ca.crt"), _ca.ExportCertificatePem());
        var configuration = ConfigurationFile.Parse(At("server.json"), """
            {
              "listen": { "tcp": "127.0.0.1:1" }, "tls": { "certificate": "server.crt", "privateKey": "server.key", "clientCa": "ca.crt" },
              "hsm": { "module": "m", "tokenLabel": "t", "pinFile": "p" }, "store": { "sqlite": "s" }
            }
            """) with { Profile = ServerProfile.Production };
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        var services = builder.Services;
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(configuration);
        services.AddSingleton(configuration.Limits);
        services.AddSingleton<IStore>(_store);
        services.AddSingleton<ListenerLog>();
        services.AddSingleton<ConnectionPlaces>();
        services.AddSingleton<CertificateLedger>();
        services.AddSingleton(provider =>
            new TlsFiles(configuration.Tls!, configuration.Profile, TimeProvider.System, provider.GetRequiredService<ListenerLog>()));
        services.AddSingleton(new AlarmOutlet(NullLogger<AlarmOutlet>.Instance));
        services.AddSingleton<RevocationWatch>();
        services.AddSingleton<TlsListener>();
        services.AddSingleton<HandshakeRefusals>();
        services.AddHostedService(provider => provider.GetRequiredService<HandshakeRefusals>());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, 0, kestrel.ApplicationServices.GetRequiredService<TlsListener>().Configure));
        _application = builder.Build();
        _application.Run(context =>
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return Task.CompletedTask;
        });
        await _application.StartAsync();
        _ledger = _application.Services.GetRequiredService<CertificateLedger>();
    }

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync();
        await _application.DisposeAsync();
        _ca.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task A_client_certificate_of_at_most_12_months_is_taken_and_in_the_ledger()
    {
        Assert.Equal(HttpStatusCode.NoContent, await CallAsync("CN=year", 366));
        Assert.Equal("CN=year", Assert.Single(_ledger.All()).Facts.Subject);
    }

    [Fact]
    public async Task One_that_lives_longer_is_refused_in_the_handshake_and_on_record()
    {
        await Assert.ThrowsAsync<HttpRequestException>(() => CallAsync("CN=long", 400));
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while (_store.Records.Count == 0)
        {
            await Task.Delay(5, limit.Token);
        }

        var record = Assert.Single(_store.Records);
        Assert.Equal(
            (AuditEvent.AuthenticationRefused, "handshake: CN=long: it lives longer than 12 months (366 days)"), (record.Event, record.Detail));
        Assert.Empty(_ledger.All());
    }

    private async Task<HttpStatusCode> CallAsync(string subject, int days)
    {
        using var certificate = Issue(subject, days, "1.3.6.1.5.5.7.3.2");
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.ClientCertificates = [certificate];
        handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
        using var client = new HttpClient(handler);
        var address = _application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        using var request = new HttpRequestMessage(HttpMethod.Get, address) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var response = await client.SendAsync(request);
        return response.StatusCode;
    }

    private string At(string file) => Path.Combine(_directory, file);

    private static X509Certificate2 NewCa()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-10), now.AddDays(1000));
    }

    private X509Certificate2 Issue(string subject, int days, string use)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], critical: false));
        var start = TimeProvider.System.GetUtcNow().AddDays(-1);
        using var certificate = request.Create(_ca, start, start.AddDays(days), RandomNumberGenerator.GetBytes(8));
        return certificate.CopyWithPrivateKey(key);
    }
}
