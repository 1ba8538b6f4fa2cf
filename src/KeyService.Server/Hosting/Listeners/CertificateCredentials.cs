using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Access;

namespace KeyService.Server.Hosting;

/// <summary>What a certificate proves: the URIs of its subject alternative names, and its public key's hash.</summary>
internal static class CertificateCredentials
{
    private const string SubjectAlternativeName = "2.5.29.17";
    private const int MaxUris = 8;
    private const int MaxUriLength = 255;

    // GeneralName ::= CHOICE { …, uniformResourceIdentifier [6] IA5String, … } (RFC 5280 section 4.2.1.6)
    private static readonly Asn1Tag Uri = new(TagClass.ContextSpecific, 6);

    public static Credential[] Of(X509Certificate2 certificate)
    {
        var credentials = new List<Credential>();
        foreach (var extension in certificate.Extensions)
        {
            if (extension.Oid?.Value == SubjectAlternativeName)
                credentials.AddRange(
                    Uris(extension.RawData).Take(MaxUris).Select(uri => new Credential(CredentialKind.CertificateSanUri, uri)));
        }
        var hash = Convert.ToHexStringLower(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));
        credentials.Add(new Credential(CredentialKind.CertificatePublicKeySha256, hash));
        return [.. credentials];
    }

    private static IEnumerable<string> Uris(byte[] extension)
    {
        var uris = new List<string>();
        try
        {
            var names = new AsnReader(extension, AsnEncodingRules.DER).ReadSequence();
            while (names.HasData)
            {
                if (names.PeekTag().HasSameClassAndValue(Uri))
                    uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, Uri));
                else
                    names.ReadEncodedValue();
            }
        }
        catch (AsnContentException)
        {
            // A name that cannot be read names nobody; the public key still may.
            return [];
        }
        return uris.Where(uri => uri.Length is > 0 and <= MaxUriLength);
    }
}
