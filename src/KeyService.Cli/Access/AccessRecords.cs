using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Access;

/// <summary>Principals and grants as results.</summary>
internal static class AccessRecords
{
    public static Record Of(Principal principal) => new Record
    {
        ["name"] = principal.Name,
        ["type"] = EnumNames.Of(principal.Type),
        ["credential_type"] = CredentialType(principal.Credential),
        ["credential"] = CredentialText(principal.Credential),
        ["disabled"] = principal.Disabled,
        ["create_time"] = Times.Of(principal.CreateTime),
    }
    .Detail("revision", principal.Revision);

    public static Record Of(Grant grant) => new Record
    {
        ["id"] = grant.Id,
        ["principal"] = grant.Principal,
        ["key_pattern"] = grant.KeyPattern,
        ["permissions"] = grant.Permissions.Concat(grant.Roles.Select(role => $"role:{role}")).ToList(),
        ["context"] = grant.ContextConstraint?.Entries.Select(entry => KeyValuePair.Create(entry.Key, entry.Value)).ToList() ?? [],
        ["expire_time"] = Times.Of(grant.ExpireTime),
        ["revoked"] = grant.Revoked,
    }
    .Detail("create_time", Times.Of(grant.CreateTime))
    .Detail("revision", grant.Revision)
    .Detail("context_rules", grant.ContextRules.Select(TextOf).ToList())
    .Detail("quotas", grant.Quotas.Select(TextOf).ToList());

    public static string TextOf(ContextRule rule) => rule.RuleCase == ContextRule.RuleOneofCase.Prefix
        ? $"{rule.Key}={rule.Prefix}*"
        : $"{rule.Key} in ({string.Join(", ", rule.OneOf?.Values ?? [])})";

    public static string TextOf(Quota quota) => new Crypto.Quota((Crypto.QuotaMeasure)quota.Measure, (Crypto.QuotaWindow)quota.Window, quota.Limit).ToString();

    private static string? CredentialType(Credential? credential) => credential?.CredentialCase switch
    {
        Credential.CredentialOneofCase.CertificateSanUri => "certificate-uri",
        Credential.CredentialOneofCase.CertificatePublicKeySha256 => "public-key-sha256",
        Credential.CredentialOneofCase.UnixUid => "unix-uid",
        Credential.CredentialOneofCase.OidcSubject => "oidc-subject",
        _ => null,
    };

    private static string? CredentialText(Credential? credential) => credential?.CredentialCase switch
    {
        Credential.CredentialOneofCase.CertificateSanUri => credential.CertificateSanUri,
        Credential.CredentialOneofCase.CertificatePublicKeySha256 => credential.CertificatePublicKeySha256,
        Credential.CredentialOneofCase.OidcSubject => $"{credential.OidcSubject.Issuer} {credential.OidcSubject.Subject}",
        Credential.CredentialOneofCase.UnixUid => credential.UnixUid.ToString(System.Globalization.CultureInfo.InvariantCulture),
        _ => null,
    };
}
