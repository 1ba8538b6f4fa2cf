using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// TLS to a receiver: 1.2 or later, its certificate verified by name and CA, ours shown when there is one. Files are read for each connection,
/// so that what was renewed counts at once.
/// </summary>
internal static class SinkTls
{
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A file is not PEM.</exception>
    public static SslClientAuthenticationOptions Options(SinkTlsConfiguration configuration, string? serverName)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = serverName,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateChainPolicy = Policy(configuration.CaPath),
            // A resumed session would go on with a certificate that was replaced.
            AllowTlsResume = false,
        };
        if (configuration.CertificatePath is { } certificate)
        {
            options.ClientCertificates = [X509Certificate2.CreateFromPemFile(certificate, configuration.PrivateKeyPath)];
        }

        return options;
    }

    // Null: the machine's trust store.
    private static X509ChainPolicy? Policy(string? path)
    {
        if (path is null)
        {
            return null;
        }

        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        policy.CustomTrustStore.ImportFromPemFile(path);
        return policy;
    }
}
