using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Server.Hosting;

/// <summary>
/// Clients for what the service posts to others: HTTPS with the server verified, no redirect followed, no proxy of the environment asked, no
/// cookies. A client a delivery, so that a renewed CA counts at once.
/// </summary>
internal static class OutboundHttp
{
    /// <param name="caPath">PEM: the only CAs that count; null is the machine's trust store.</param>
    /// <param name="connect">How long a connection may take.</param>
    /// <exception cref="IOException">The CAs cannot be read.</exception>
    /// <exception cref="CryptographicException">They are none.</exception>
    public static HttpClient NewClient(string? caPath, TimeSpan connect)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            ConnectTimeout = connect,
            MaxResponseHeadersLength = 16,
            // The trace id of whatever caused it is nobody's business outside.
            ActivityHeadersPropagator = null,
            SslOptions = new SslClientAuthenticationOptions
            {
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                CertificateChainPolicy = Policy(caPath),
            },
        };
        return new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>What went wrong, without a secret and without the URL's path; null for what nobody foresaw.</summary>
    public static string? Explain(Exception exception, TimeSpan limit) => exception switch
    {
        OperationCanceledException => $"the receiver did not answer within {limit.TotalSeconds:0} s",
        HttpRequestException { InnerException: AuthenticationException } => "the receiver's certificate is not accepted",
        HttpRequestException request => $"the receiver cannot be reached ({request.HttpRequestError})",
        IOException or UnauthorizedAccessException or CryptographicException => $"the connection or its CA file fails: {exception.Message.TrimEnd('.')}",
        _ => null,
    };

    // Null: the machine's trust store.
    private static X509ChainPolicy? Policy(string? caPath)
    {
        if (caPath is null)
        {
            return null;
        }

        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.ImportFromPemFile(caPath);
        return policy;
    }
}
