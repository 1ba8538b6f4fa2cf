using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Server.Hosting;

/// <summary>
/// Validates a client's certificate: a chain to one of the configured CAs and to nothing else, valid now, made for client
/// authentication. The machine's own trust store has no say. RFC 5280 section 6.
/// </summary>
internal static class ClientCertificates
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    /// <summary>Null when the certificate may stand for its holder; otherwise why not.</summary>
    /// <param name="certificate">What the client sent first.</param>
    /// <param name="sent">What else it sent: intermediate certificates, trusted only when they lead to a CA.</param>
    /// <param name="cas">The configured client CAs.</param>
    /// <param name="now">Time of the handshake.</param>
    public static string? Refusal(X509Certificate2 certificate, X509Certificate2Collection sent, X509Certificate2Collection cas, DateTimeOffset now)
    {
        using var chain = new X509Chain();
        var policy = chain.ChainPolicy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        policy.CustomTrustStore.AddRange(cas);
        policy.ExtraStore.AddRange(sent);
        policy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        // Short-lived certificates and the principal register take the place of revocation lists: a disabled principal is
        // refused at its next call.
        policy.RevocationMode = X509RevocationMode.NoCheck;
        policy.DisableCertificateDownloads = true;
        policy.VerificationTimeIgnored = false;
        policy.VerificationTime = now.UtcDateTime;
        if (chain.Build(certificate))
            return null;
        var why = chain.ChainStatus.Select(status => status.Status).Distinct().Order();
        return string.Join(", ", why);
    }
}
