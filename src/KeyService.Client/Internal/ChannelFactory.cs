using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;

namespace KeyService.Client.Internal;

/// <summary>Makes the HTTP/2 channel: mutual TLS over TCP, or a Unix socket.</summary>
internal static class ChannelFactory
{
    /// <summary>Bytes a stream may have on the way: the product of 500 MB/s and a 16 ms round trip.</summary>
    private const int StreamWindow = 8 * 1024 * 1024;

    /// <summary>A batch answer has at most 3 MiB and some framing.</summary>
    private const int LargestMessage = 8 * 1024 * 1024;

    /// <summary>
    /// How long a connection without calls stays open. It ends those whose certificate was renewed (RenewingHandler); to open one again
    /// takes milliseconds.
    /// </summary>
    private static readonly TimeSpan IdleLimit = TimeSpan.FromMinutes(10);

    public static GrpcChannel Create(ClientOptions options)
    {
        HttpMessageHandler handler;
        string address;
        if (Endpoints.UnixPath(options.Endpoint) is { } path)
        {
            address = "http://localhost";
            var sockets = NewHandler();
            sockets.ConnectCallback = (_, token) => ConnectUnixAsync(path, token);
            handler = sockets;
        }
        else
        {
            address = Endpoints.Https(options.Endpoint).GetLeftPart(UriPartial.Authority);
            handler = new RenewingHandler(options, static options =>
            {
                var sockets = NewHandler();
                sockets.SslOptions = TlsOptions(options);
                return sockets;
            });
        }
        return GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = LargestMessage,
            MaxSendMessageSize = LargestMessage,
            // Retries are this client's own (CallRunner): the channel's would not see our reasons.
            MaxRetryAttempts = 1,
        });
    }

    private static SocketsHttpHandler NewHandler() => new()
    {
        InitialHttp2StreamWindowSize = StreamWindow,
        EnableMultipleHttp2Connections = true,
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionIdleTimeout = IdleLimit,
        KeepAlivePingDelay = TimeSpan.FromSeconds(60),
        KeepAlivePingTimeout = TimeSpan.FromSeconds(20),
        KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
        ActivityHeadersPropagator = null,
    };

    /// <summary>TLS 1.2 or later, our certificate, and a server that one of the given authorities signed for this host name.</summary>
    internal static SslClientAuthenticationOptions TlsOptions(ClientOptions options)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(PemFiles.Certificates(options.CaPath, "CA"));
        policy.ApplicationPolicy.Add(new System.Security.Cryptography.Oid("1.3.6.1.5.5.7.3.1"));
        return new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateChainPolicy = policy,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            ClientCertificateContext = Valid(PemFiles.ClientCertificate(options.ClientCertificatePath, options.ClientKeyPath), options),
        };
    }

    // A server refuses an expired certificate after our side of the TLS 1.3 handshake, often without a word that reaches us: it is said here.
    private static SslStreamCertificateContext Valid(SslStreamCertificateContext context, ClientOptions options)
    {
        var end = context.TargetCertificate.NotAfter.ToUniversalTime();
        return options.TimeProvider.GetUtcNow().UtcDateTime <= end ? context : throw new KeyServiceException(
            ClientReason.TlsFailed, $"The client certificate {options.ClientCertificatePath} expired on {end:u}.",
            "Have a new one issued for the same name; the service needs no restart.");
    }

    private static async ValueTask<Stream> ConnectUnixAsync(string path, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
