using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Server.Oidc;

/// <summary>
/// Fetches documents of the issuer: HTTPS with the server verified, no redirect, no proxy of the environment, 256 KiB and 5 seconds at most.
/// </summary>
internal sealed class IssuerHttp : IDisposable
{
    private const int MaxLength = 256 * 1024;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);
    private readonly HttpClient _client;

    public IssuerHttp(OidcConfiguration configuration)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false, UseProxy = false, UseCookies = false, ConnectTimeout = Limit, MaxResponseHeadersLength = 16,
                ActivityHeadersPropagator = null,
            PooledConnectionLifetime = TimeSpan.FromMinutes(1),
        };
        if (configuration.CaPath is { } path)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true,
            };
            policy.CustomTrustStore.ImportFromPemFile(path);
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }

        _client = new HttpClient(handler) { Timeout = Limit, MaxResponseContentBufferSize = MaxLength };
    }

    public async Task<byte[]> FetchAsync(Uri url, CancellationToken cancellationToken)
    {
        using var response = await _client.GetAsync(url, cancellationToken);
        return response.IsSuccessStatusCode
            ? await response.Content.ReadAsByteArrayAsync(cancellationToken)
            : throw new HttpRequestException($"It answered {(int)response.StatusCode}.");
    }

    public void Dispose() => _client.Dispose();
}
