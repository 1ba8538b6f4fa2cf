using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Client.Internal;

/// <summary>Reads certificates and keys; what is wrong with a file is said with its name.</summary>
internal static class PemFiles
{
    public static X509Certificate2Collection Certificates(string? path, string role)
    {
        Require(path, role);
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPemFile(path!);
        }
        catch (Exception e) when (IsUnusable(e))
        {
            throw Unusable(path!, role, e);
        }
        return certificates.Count > 0 ? certificates : throw Unusable(path!, role, null);
    }

    /// <summary>The client's certificate with its key, and the intermediates that stand in the same file.</summary>
    public static SslStreamCertificateContext ClientCertificate(string? certificatePath, string? keyPath)
    {
        var chain = Certificates(certificatePath, "client certificate");
        Require(keyPath, "private key");
        try
        {
            var leaf = X509Certificate2.CreateFromPemFile(certificatePath!, keyPath);
            chain.RemoveAt(0);
            return SslStreamCertificateContext.Create(leaf, chain, offline: true);
        }
        catch (Exception e) when (IsUnusable(e))
        {
            throw Unusable(keyPath!, "private key", e);
        }
    }

    private static bool IsUnusable(Exception e) =>
        e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException;

    private static void Require(string? path, string role)
    {
        if (string.IsNullOrEmpty(path))
        {
            throw new KeyServiceException(ClientReason.Configuration, $"The profile names no {role} file, and https needs one.",
                "Add ca, certificate and privateKey to the profile.");
        }
    }

    private static KeyServiceException Unusable(string path, string role, Exception? cause) => new(
        ClientReason.Configuration,
        cause is IOException or UnauthorizedAccessException
            ? $"The {role} file {path} cannot be read: {cause.Message.TrimEnd('.')}."
            : $"The {role} file {path} holds nothing usable as one.",
        "It has to be a PEM file; the private key unencrypted and belonging to the certificate.", cause);
}
