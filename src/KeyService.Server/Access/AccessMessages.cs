using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Access;

/// <summary>From and to the messages of access.proto. What breaks a rule of the message is refused with the field's name.</summary>
internal static class AccessMessages
{
    public static Wire.Principal ToMessage(this Principal principal) => new()
    {
        Name = principal.Name,
        Type = (Wire.PrincipalType)principal.Type,
        Credential = ToMessage(principal.Credential),
        Disabled = principal.Disabled,
        CreateTime = Timestamp.FromDateTimeOffset(principal.CreateTime),
        Revision = principal.Revision,
    };

    public static Wire.Grant ToMessage(this Grant grant)
    {
        var message = new Wire.Grant
        {
            Id = grant.IdText,
            Principal = grant.Principal,
            KeyPattern = grant.KeyPattern.Text,
            ContextConstraint = new Context(),
            ExpireTime = grant.ExpireTime is { } end ? Timestamp.FromDateTimeOffset(end) : null,
            CreateTime = Timestamp.FromDateTimeOffset(grant.CreateTime),
            Revoked = grant.Revoked,
            Revision = grant.Revision,
        };
        message.Permissions.AddRange(grant.PermissionNames);
        message.ContextConstraint.Entries.AddRange(grant.ContextConstraint.Pairs.Select(pair => new ContextEntry { Key = pair.Key, Value = pair.Value }));
        return message;
    }

    public static string NameOf(CreatePrincipalRequest request) => Principal.IsName(request.Name)
        ? request.Name
        : throw Refusal.InvalidArgument("name", "1 to 64 characters of [a-z0-9._-], beginning with a letter or digit");

    public static PrincipalType TypeOf(CreatePrincipalRequest request) => request.Type switch
    {
        Wire.PrincipalType.Service => PrincipalType.Service,
        Wire.PrincipalType.Person => PrincipalType.Person,
        Wire.PrincipalType.AiSystem => PrincipalType.AiSystem,
        _ => throw Refusal.InvalidArgument("type", "SERVICE, PERSON or AI_SYSTEM"),
    };

    public static Credential CredentialOf(CreatePrincipalRequest request)
    {
        var message = request.Credential;
        switch (message?.CredentialCase)
        {
            case Wire.Credential.CredentialOneofCase.CertificateSanUri:
                return Credential.TryOfSanUri(message.CertificateSanUri, out var uri)
                    ? uri
                    : throw Refusal.InvalidArgument("credential.certificate_san_uri", "an absolute URI of 1 to 512 printable ASCII characters");
            case Wire.Credential.CredentialOneofCase.CertificatePublicKeySha256:
                return Credential.TryOfPublicKeySha256(message.CertificatePublicKeySha256, out var hash)
                    ? hash
                    : throw Refusal.InvalidArgument("credential.certificate_public_key_sha256", "64 hexadecimal digits");
            case Wire.Credential.CredentialOneofCase.UnixUid:
                return Credential.OfUid(message.UnixUid);
            default:
                throw Refusal.InvalidArgument("credential", "exactly one of certificate_san_uri, certificate_public_key_sha256, unix_uid");
        }
    }

    public static GrantRequest ToGrantRequest(CreateGrantRequest request, DateTimeOffset now) => new(
        request.Principal,
        PermissionsOf(request),
        KeyPattern.TryParse(request.KeyPattern, out var pattern)
            ? pattern
            : throw Refusal.InvalidArgument("key_pattern", "a key's name, a name followed by /*, or *; at most 128 characters"),
        ConstraintOf(request),
        ExpireTimeOf(request, now));

    public static ulong GrantIdOf(RevokeGrantRequest request) =>
        request.Id.Length == 16 && ulong.TryParse(request.Id, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id)
            ? id
            : throw Refusal.InvalidArgument("id", "16 hexadecimal digits");

    private static Wire.Credential ToMessage(Credential credential) => credential.Kind switch
    {
        CredentialKind.CertificateSanUri => new() { CertificateSanUri = credential.Value },
        CredentialKind.CertificatePublicKeySha256 => new() { CertificatePublicKeySha256 = credential.Value },
        CredentialKind.UnixUid => new() { UnixUid = uint.Parse(credential.Value, CultureInfo.InvariantCulture) },
        _ => throw new ArgumentOutOfRangeException(nameof(credential)),
    };

    private static Permission[] PermissionsOf(CreateGrantRequest request)
    {
        if (request.Permissions.Count == 0)
        {
            throw Refusal.InvalidArgument("permissions", "at least one");
        }

        var permissions = new SortedSet<Permission>();
        for (var i = 0; i < request.Permissions.Count; i++)
        {
            if (!Permissions.TryParse(request.Permissions[i], out var permission))
            {
                throw Refusal.InvalidArgument($"permissions[{i}]", $"one of {string.Join(", ", Permissions.AllNames)}");
            }

            if (!permissions.Add(permission))
            {
                throw Refusal.InvalidArgument($"permissions[{i}]", "no permission twice");
            }
        }

        return [.. permissions];
    }

    private static EncryptionContext ConstraintOf(CreateGrantRequest request)
    {
        try
        {
            return EncryptionContext.Create((request.ContextConstraint?.Entries ?? []).Select(entry => KeyValuePair.Create(entry.Key, entry.Value)));
        }
        catch (InvalidContextException e)
        {
            throw Refusal.InvalidContext("context_constraint", e.Message.TrimEnd('.'));
        }
    }

    private static DateTimeOffset? ExpireTimeOf(CreateGrantRequest request, DateTimeOffset now)
    {
        if (request.ExpireTime is null)
        {
            return null;
        }

        // Beyond 2262 the column's nanoseconds do not reach.
        var latest = UnixLimit;
        var time = request.ExpireTime.Seconds is >= 0 && request.ExpireTime.Nanos is >= 0 and < 1_000_000_000 && request.ExpireTime.Seconds <= latest.Seconds
            ? request.ExpireTime.ToDateTimeOffset()
            : throw Refusal.InvalidArgument("expire_time", "a time after now and before 2262");
        return time > now ? time : throw Refusal.InvalidArgument("expire_time", "a time after now and before 2262");
    }

    private static Timestamp UnixLimit => new() { Seconds = long.MaxValue / 1_000_000_000 - 1 };
}
