using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Certificates;

namespace KeyService.Server.Hosting;

/// <summary>What one reading of the files gave: the server's certificate with its chain, the CAs of the clients, and their revocation lists.</summary>
internal sealed class TlsMaterial
{
    private TlsMaterial(
        X509Certificate2 certificate, X509Certificate2Collection chain, X509Certificate2Collection clientCas, RevocationLists? revocations)
    {
        Revocations = revocations;
        Certificate = certificate;
        Context = SslStreamCertificateContext.Create(certificate, chain, offline: true);
        ClientCas = clientCas;
    }

    public X509Certificate2 Certificate { get; }

    /// <summary>Certificate, key and intermediate certificates as a handshake sends them.</summary>
    public SslStreamCertificateContext Context { get; }

    /// <summary>The only roots that client certificates are validated against.</summary>
    public X509Certificate2Collection ClientCas { get; }

    /// <summary>Null when none are configured.</summary>
    public RevocationLists? Revocations { get; }

    /// <summary>Reads and checks the files.</summary>
    /// <exception cref="TlsMaterialException">A file is missing, no PEM, does not belong to the others, is not valid now, or, in the
    /// production profile, lives longer than 12 months.</exception>
    public static TlsMaterial Load(TlsConfiguration tls, ServerProfile profile, DateTimeOffset now)
    {
        var pem = Read(tls.CertificatePath, "certificate");
        var key = Read(tls.PrivateKeyPath, "private key");
        X509Certificate2 certificate;
        try
        {
            certificate = X509Certificate2.CreateFromPem(pem, key);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw new TlsMaterialException(
                $"{tls.CertificatePath} and {tls.PrivateKeyPath} are not a PEM certificate and its unencrypted private key: "
                + exception.Message, exception);
        }
        if (certificate.NotAfter.ToUniversalTime() <= now.UtcDateTime || certificate.NotBefore.ToUniversalTime() > now.UtcDateTime)
        {
            throw new TlsMaterialException(
                $"The server certificate {tls.CertificatePath} is valid from {certificate.NotBefore.ToUniversalTime():u} to "
                + $"{certificate.NotAfter.ToUniversalTime():u}, and now is {now:u}. Put a new one there.");
        }
        // The development profile only warns, by an alarm.
        if (profile == ServerProfile.Production && CertificateFacts.Of(certificate) is var facts && CertificateRules.LivesTooLong(facts))
        {
            throw new TlsMaterialException(
                $"The server certificate {tls.CertificatePath} lives {facts.Life.TotalDays:0} days, and the production profile takes at most "
                + $"{CertificateRules.LongestLife.TotalDays:0}. Issue one for at most 12 months.");
        }
        return new TlsMaterial(certificate, Certificates(tls.CertificatePath, pem, skip: 1), ReadCas(tls.ClientCaPath),
            RevocationLists.Load(tls));
    }

    private static X509Certificate2Collection ReadCas(string path)
    {
        var cas = Certificates(path, Read(path, "client CA"), skip: 0);
        if (cas.Count == 0)
            throw new TlsMaterialException($"{path} holds no PEM certificate.");
        foreach (var ca in cas)
        {
            if (ca.Extensions.OfType<X509BasicConstraintsExtension>().FirstOrDefault() is not { CertificateAuthority: true })
                throw new TlsMaterialException($"{path} holds {ca.Subject}, which is no CA certificate (basicConstraints CA:TRUE).");
        }
        return cas;
    }

    private static X509Certificate2Collection Certificates(string path, string pem, int skip)
    {
        var all = new X509Certificate2Collection();
        try
        {
            all.ImportFromPem(pem);
        }
        catch (CryptographicException exception)
        {
            throw new TlsMaterialException($"{path} holds something that is no PEM certificate: {exception.Message}", exception);
        }
        return [.. all.Skip(skip)];
    }

    private static string Read(string path, string what)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TlsMaterialException($"The {what} {path} cannot be read: {exception.Message}", exception);
        }
    }
}

/// <summary>The certificate files cannot be used; the message names the file and what to do.</summary>
internal sealed class TlsMaterialException(string message, Exception? inner = null) : Exception(message, inner);
