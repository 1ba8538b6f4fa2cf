using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Grpc.Net.Client;

namespace KeyService.Load;

/// <summary>Opens channels with the certificates that a client profile names, as the product's clients do.</summary>
internal sealed class Connection
{
    private readonly X509Certificate2 _ca;
    private readonly X509Certificate2 _certificate;

    private Connection(string endpoint, X509Certificate2 ca, X509Certificate2 certificate)
    {
        Endpoint = endpoint;
        _ca = ca;
        _certificate = certificate;
    }

    public string Endpoint { get; }

    public static Connection FromProfile(string path)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        using var profile = JsonDocument.Parse(File.ReadAllText(path));
        string Value(string name) => profile.RootElement.GetProperty(name).GetString()!;
        string At(string name) => Path.Combine(folder, Value(name));
        using var pem = X509Certificate2.CreateFromPemFile(At("certificate"), At("privateKey"));
        // SslStream wants a key that is not ephemeral on some platforms: a round through PKCS#12 makes it so.
        var certificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        return new Connection(Value("endpoint"), X509CertificateLoader.LoadCertificateFromFile(At("ca")), certificate);
    }

    public GrpcChannel Open(string endpoint)
    {
        var handler = new SocketsHttpHandler
        {
            InitialHttp2StreamWindowSize = 8 * 1024 * 1024,
            EnableMultipleHttp2Connections = false,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
        };
        var address = endpoint;
        if (endpoint.StartsWith("unix:", StringComparison.Ordinal))
        {
            var socketPath = endpoint["unix:".Length..];
            handler.ConnectCallback = async (_, token) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), token);
                return new NetworkStream(socket, ownsSocket: true);
            };
            address = "http://localhost";
        }
        else
        {
            handler.SslOptions = TlsOptions(null);
        }

        return GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = 8 * 1024 * 1024,
            MaxSendMessageSize = 8 * 1024 * 1024,
        });
    }

    public SslClientAuthenticationOptions TlsOptions(string? host) => new()
    {
        TargetHost = host,
        ClientCertificates = [_certificate],
        RemoteCertificateValidationCallback = (_, remote, _, _) =>
        {
            using var chain = new X509Chain();
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.Add(_ca);
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            return remote is X509Certificate2 leaf && chain.Build(leaf);
        },
    };
}
