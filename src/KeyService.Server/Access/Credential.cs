using System.Globalization;
using System.Text;

namespace KeyService.Server.Access;

/// <summary>How a connection proves to be a principal; frozen numbers.</summary>
internal enum CredentialKind : byte
{
    /// <summary>A URI of the certificate's subject alternative names, compared byte for byte.</summary>
    CertificateSanUri = 1,

    /// <summary>SHA-256 of the certificate's SubjectPublicKeyInfo, 64 lowercase hexadecimal digits.</summary>
    CertificatePublicKeySha256 = 2,

    /// <summary>Peer user id of a Unix socket (SO_PEERCRED), decimal.</summary>
    UnixUid = 3,

    /// <summary>Issuer and subject of an access token, with a space between: neither has one.</summary>
    OidcSubject = 4,
}

/// <summary>One credential: what was presented by a connection, or what a principal is registered with.</summary>
internal readonly record struct Credential(CredentialKind Kind, string Value)
{
    private const int MaxUriLength = 512;

    public static Credential OfUid(uint uid) => new(CredentialKind.UnixUid, uid.ToString(CultureInfo.InvariantCulture));

    /// <summary>An absolute URI of 1 to 512 printable ASCII characters.</summary>
    public static bool TryOfSanUri(string uri, out Credential credential)
    {
        credential = new Credential(CredentialKind.CertificateSanUri, uri);
        return uri.Length is > 0 and <= MaxUriLength && Ascii.IsValid(uri) && !uri.Any(c => char.IsControl(c) || c == ' ')
            && Uri.TryCreate(uri, UriKind.Absolute, out _);
    }

    /// <summary>An issuer's URL and its subject, 1 to 255 printable ASCII characters without a space each.</summary>
    public static bool TryOfOidc(string issuer, string subject, out Credential credential)
    {
        credential = new Credential(CredentialKind.OidcSubject, $"{issuer} {subject}");
        return IsPart(issuer) && IsPart(subject) && Uri.TryCreate(issuer, UriKind.Absolute, out _);

        static bool IsPart(string text) => text.Length is > 0 and <= 255 && text.All(c => c is > ' ' and < '\x7f');
    }

    /// <summary>64 hexadecimal digits, of either case.</summary>
    public static bool TryOfPublicKeySha256(string hexadecimal, out Credential credential)
    {
        credential = new Credential(CredentialKind.CertificatePublicKeySha256, hexadecimal.ToLowerInvariant());
        return hexadecimal.Length == 64 && hexadecimal.All(char.IsAsciiHexDigit);
    }
}
