using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Server.Certificates;

/// <summary>What the ledger keeps of a certificate; RFC 5280.</summary>
/// <param name="Subject">Distinguished name.</param>
/// <param name="SerialNumber">Hexadecimal digits.</param>
/// <param name="Fingerprint">SHA-256 of the certificate, 64 hexadecimal digits.</param>
internal sealed record CertificateFacts(string Subject, string SerialNumber, string Fingerprint, DateTimeOffset NotBefore, DateTimeOffset NotAfter)
{
    /// <summary>From its first to its last moment.</summary>
    public TimeSpan Life => NotAfter - NotBefore;

    public static CertificateFacts Of(X509Certificate2 certificate) => new(
        certificate.Subject,
        certificate.SerialNumber.ToLowerInvariant(),
        Convert.ToHexStringLower(SHA256.HashData(certificate.RawDataMemory.Span)),
        new DateTimeOffset(certificate.NotBefore.ToUniversalTime()),
        new DateTimeOffset(certificate.NotAfter.ToUniversalTime()));
}
