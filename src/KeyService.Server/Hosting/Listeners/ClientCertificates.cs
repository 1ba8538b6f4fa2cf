using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Server.Hosting;

/// <summary>
/// How a client's certificate is validated: a chain to one of the configured CAs and to nothing else, valid now, made for client
/// authentication. The machine's own trust store has no say, and nothing is fetched from the network. RFC 5280 section 6.
/// </summary>
internal static class ClientCertificates
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    /// <param name="cas">The configured client CAs.</param>
    /// <param name="now">Time of the handshake.</param>
    public static X509ChainPolicy Policy(X509Certificate2Collection cas, DateTimeOffset now)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            // Lists come from files (tls.crl) and are asked after the chain is built (RevocationLists): the platform's own check would
            // fetch them. Without any, short-lived certificates and the principal register take their place.
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
            VerificationTimeIgnored = false,
            VerificationTime = now.UtcDateTime,
        };
        policy.CustomTrustStore.AddRange(cas);
        policy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        return policy;
    }

    /// <summary>What a chain that could not be built says, for log and record: names of <see cref="X509ChainStatusFlags"/>.</summary>
    public static string Explain(X509Chain? chain) => chain is { ChainStatus.Length: > 0 }
        ? string.Join(", ", chain.ChainStatus.Select(status => status.Status).Distinct().Order())
        : "it cannot be validated";
}
