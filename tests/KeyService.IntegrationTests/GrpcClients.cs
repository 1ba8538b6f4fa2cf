using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;

namespace KeyService.IntegrationTests;

/// <summary>Channels for the generated stubs: what a .NET program without our SDK would open.</summary>
internal static class GrpcClients
{
    /// <summary>Mutual TLS as <paramref name="client"/>; the server's certificate must come from <paramref name="caPath"/>.</summary>
    /// <param name="at">The time at which the server's certificate must be good; now, when it is left out.</param>
    public static GrpcChannel Connect(Uri endpoint, string caPath, string? certificatePath, string? keyPath, DateTime? at = null)
    {
        var trust = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        trust.CustomTrustStore.Add(X509CertificateLoader.LoadCertificateFromFile(caPath));
        if (at is { } time)
        {
            trust.VerificationTime = time;
        }
        var ssl = new SslClientAuthenticationOptions { CertificateChainPolicy = trust };
        if (certificatePath is not null)
        {
            ssl.ClientCertificates = [X509Certificate2.CreateFromPemFile(certificatePath, keyPath)];
        }
        return GrpcChannel.ForAddress(endpoint, new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler { SslOptions = ssl, EnableMultipleHttp2Connections = true },
            DisposeHttpClient = true,
            MaxReceiveMessageSize = 8 << 20,
        });
    }

    /// <summary>Over the Unix socket: who calls is this process's uid.</summary>
    public static GrpcChannel ConnectUnix(string path) => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        },
        DisposeHttpClient = true,
    });

    public static GrpcChannel ConnectAs(this ServiceFixture service, string name)
    {
        var pki = Path.Combine(service.Directory, "pki");
        return Connect(service.Endpoint, service.CaPath, Path.Combine(pki, $"{name}.crt"), Path.Combine(pki, $"{name}.key"));
    }
}
