using KeyService.Server.Access;

namespace KeyService.Server.Hosting;

/// <summary>Who is to administer a new installation: a name and exactly one credential.</summary>
internal sealed record FirstAdministrator(string Name, Credential Credential)
{
    /// <exception cref="StartUpException">The name or the credential breaks a rule of access.proto, or there is not exactly one
    /// credential.</exception>
    public static FirstAdministrator Of(string name, string? certificateUri, string? publicKeySha256, uint? unixUid)
    {
        if (!Principal.IsName(name))
        {
            throw Invalid("--admin-name must be 1 to 64 characters of [a-z0-9._-], beginning with a letter or digit.");
        }
        var given = new List<Credential>();
        if (certificateUri is not null)
        {
            if (!Credential.TryOfSanUri(certificateUri, out var credential))
                throw Invalid("--admin-certificate-uri must be a URI, for example keyservice:principal/administrator.");
            given.Add(credential);
        }
        if (publicKeySha256 is not null)
        {
            if (!Credential.TryOfPublicKeySha256(publicKeySha256, out var credential))
            {
                throw Invalid("--admin-certificate-sha256 must be 64 hexadecimal digits: "
                    + "SHA-256 of the certificate's public key (SubjectPublicKeyInfo).");
            }
            given.Add(credential);
        }
        if (unixUid is { } uid)
            given.Add(Credential.OfUid(uid));
        return given.Count == 1
            ? new FirstAdministrator(name, given[0])
            : throw Invalid("Give exactly one of --admin-certificate-uri, --admin-certificate-sha256, --admin-unix-uid.");
    }

    private static StartUpException Invalid(string message) => new(ExitCode.Configuration, message);
}
