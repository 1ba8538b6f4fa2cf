using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// Whether the certificate that a database shows is taken. Judged here and not by Npgsql, which says of a refused one only that it was refused, and where no CAs
/// are configured asks the environment for some (ADR 0161).
/// </summary>
internal static class DatabaseCertificate
{
    private const string Setting = "store.postgres.rootCertificate";

    /// <summary>For each connection, so that a CA that was renewed counts from the next one on.</summary>
    /// <exception cref="StoreOpenException">The CAs cannot be read.</exception>
    public static void Demand(SslClientAuthenticationOptions tls, PostgresStoreOptions options)
    {
        tls.EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
        tls.CertificateChainPolicy = Policy(options.RootCertificate);
        tls.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            Objection(certificate, chain, errors, tls.TargetHost, options) is { } objection ? throw new StoreOpenException(objection) : true;
    }

    private static X509ChainPolicy Policy(string? roots)
    {
        var policy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        if (roots is null)
        {
            return policy;
        }

        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(roots);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new StoreOpenException($"The CAs of the database in {roots} cannot be read: {e.Message} Look at {Setting}.", e);
        }

        return policy.CustomTrustStore.Count > 0 ? policy : throw new StoreOpenException($"There is no certificate in {roots}; look at {Setting}.");
    }

    private static string? Objection(
        X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, string? host, PostgresStoreOptions options)
    {
        if (certificate is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
        {
            return "The database shows no certificate.";
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors))
        {
            return OfChain(certificate, [.. chain?.ChainStatus.Select(each => each.Status) ?? []], options.RootCertificate);
        }

        return options.Tls == PostgresTls.VerifyFull && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
            ? $"The database's certificate ({certificate.Subject}) does not name the host {host}: connect by a name that it has (store.postgres.host), or renew it with this one."
            : null;
    }

    private static string OfChain(X509Certificate certificate, X509ChainStatusFlags[] found, string? roots)
    {
        if (found is [X509ChainStatusFlags.NotTimeValid])
        {
            return $"The database's certificate ({certificate.Subject}), or one above it, is not valid now: it ends {certificate.GetExpirationDateString()}. Renew it, or set the clock.";
        }

        var from = roots is null ? $"any CA that this machine trusts; name its CA in {Setting}" : $"a CA in {roots} ({Setting})";
        return $"The database's certificate ({certificate.Subject}, issued by {certificate.Issuer}) does not come from {from}: {string.Join(", ", found)}.";
    }
}
