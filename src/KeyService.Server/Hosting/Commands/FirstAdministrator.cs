using System.Globalization;
using KeyService.Server.Access;

namespace KeyService.Server.Hosting;

/// <summary>Who is to administer a new installation: a name and exactly one credential.</summary>
internal sealed record FirstAdministrator(string Name, Credential Credential)
{
    private const int MaxNameLength = 64;
    private const int MaxUriLength = 255;
    private const int Sha256HexLength = 64;

    /// <exception cref="StartUpException">The name or the credential breaks a rule of access.proto, or there is not exactly one credential.</exception>
    public static FirstAdministrator Of(string name, string? certificateUri, string? publicKeySha256, uint? unixUid)
    {
        if (name.Length is 0 or > MaxNameLength || !char.IsAsciiLetterLower(name[0]) && !char.IsAsciiDigit(name[0])
            || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-'))
        {
            throw Invalid("--admin-name must be 1 to 64 characters of [a-z0-9._-], beginning with a letter or digit.");
        }
        var given = new List<Credential>();
        if (certificateUri is not null)
        {
            if (certificateUri.Length > MaxUriLength || !Uri.TryCreate(certificateUri, UriKind.Absolute, out _))
                throw Invalid("--admin-certificate-uri must be a URI, for example keyservice:principal/administrator.");
            given.Add(new Credential(CredentialKind.CertificateSanUri, certificateUri));
        }
        if (publicKeySha256 is not null)
        {
            if (publicKeySha256.Length != Sha256HexLength || !publicKeySha256.All(char.IsAsciiHexDigit))
                throw Invalid("--admin-certificate-sha256 must be 64 hexadecimal digits: SHA-256 of the certificate's public key (SubjectPublicKeyInfo).");
            given.Add(new Credential(CredentialKind.CertificatePublicKeySha256, publicKeySha256.ToLowerInvariant()));
        }
        if (unixUid is { } uid)
            given.Add(new Credential(CredentialKind.UnixUid, uid.ToString(CultureInfo.InvariantCulture)));
        return given.Count == 1
            ? new FirstAdministrator(name, given[0])
            : throw Invalid("Give exactly one of --admin-certificate-uri, --admin-certificate-sha256, --admin-unix-uid.");
    }

    private static StartUpException Invalid(string message) => new(ExitCode.Configuration, message);
}
