using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;
using ContextRule = KeyService.Crypto.ContextRule;
using Quota = KeyService.Crypto.Quota;
using QuotaMeasure = KeyService.Crypto.QuotaMeasure;
using QuotaWindow = KeyService.Crypto.QuotaWindow;
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
        message.Roles.AddRange(grant.Roles.Select(role => role.Name));
        message.ContextConstraint.Entries.AddRange(grant.ContextConstraint.ExactPairs().Pairs.Select(pair => new ContextEntry { Key = pair.Key, Value = pair.Value }));
        message.ContextRules.AddRange(grant.ContextConstraint.Rules.Where(rule => rule.Kind != ContextRuleKind.Exact).Select(ToMessage));
        message.Quotas.AddRange(grant.Quotas.Select(quota => new Wire.Quota
        {
            Measure = (Wire.QuotaMeasure)quota.Measure, Window = (Wire.QuotaWindow)quota.Window, Limit = quota.Limit,
        }));
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
            case Wire.Credential.CredentialOneofCase.OidcSubject:
                return Credential.TryOfOidc(message.OidcSubject.Issuer, message.OidcSubject.Subject, out var token)
                    ? token
                    : throw Refusal.InvalidArgument("credential.oidc_subject", "issuer and subject, each 1 to 255 printable ASCII characters without a space, the issuer a URL");
            case Wire.Credential.CredentialOneofCase.UnixUid:
                return Credential.OfUid(message.UnixUid);
            default:
                throw Refusal.InvalidArgument("credential", "exactly one of certificate_san_uri, certificate_public_key_sha256, unix_uid, oidc_subject");
        }
    }

    public static GrantRequest ToGrantRequest(CreateGrantRequest request, DateTimeOffset now) => new(
        request.Principal,
        PermissionsOf(request),
        KeyPattern.TryParse(request.KeyPattern, out var pattern)
            ? pattern
            : throw Refusal.InvalidArgument("key_pattern", "a key's name, a name followed by /*, or *; at most 128 characters"),
        ConstraintOf(request),
        ExpireTimeOf(request, now))
    {
        Roles = RolesOf(request),
        Quotas = QuotasOf(request),
    };

    public static EffectiveAccess ToMessage(EffectivePermission row) => new()
    {
        Principal = row.Principal.Name,
        PrincipalType = (Wire.PrincipalType)row.Principal.Type,
        Permission = Permissions.NameOf(row.Permission),
        Grant = row.Grant.ToMessage(),
        Role = row.Role?.Name ?? "",
        RefusedPair = row.RefusedPair ?? "",
    };

    public static ExplainAccessResponse ToMessage(this AccessExplanation explanation)
    {
        var message = new ExplainAccessResponse { Allowed = explanation.IsAllowed, Reason = explanation.Reason, Grant = explanation.Grant?.ToMessage() };
        foreach (var near in explanation.Near)
        {
            var lacking = new Wire.NearGrant { Grant = near.Grant.ToMessage() };
            lacking.Lacks.AddRange(near.Lacks);
            message.Near.Add(lacking);
        }

        return message;
    }

    public static EncryptionContext ContextOf(Context? context, string field)
    {
        try
        {
            return EncryptionContext.Create((context?.Entries ?? []).Select(entry => KeyValuePair.Create(entry.Key, entry.Value)));
        }
        catch (InvalidContextException e)
        {
            throw Refusal.InvalidContext(field, e.Message.TrimEnd('.'));
        }
    }

    /// <summary>The same rules as <see cref="ToGrantRequest(CreateGrantRequest, DateTimeOffset)"/>.</summary>
    public static GrantRequest ToGrantRequest(NewGrant grant, string principal, DateTimeOffset now)
    {
        var request = new CreateGrantRequest
        {
            Principal = principal, KeyPattern = grant.KeyPattern, ContextConstraint = grant.ContextConstraint, ExpireTime = grant.ExpireTime,
        };
        request.Permissions.AddRange(grant.Permissions);
        request.Roles.AddRange(grant.Roles);
        request.ContextRules.AddRange(grant.ContextRules);
        request.Quotas.AddRange(grant.Quotas);
        return ToGrantRequest(request, now);
    }

    /// <summary>What is granted, in one line for the audit record; of the constraint the number of its rules, because a record is kept for longer than a context.</summary>
    public static string LineOf(GrantRequest request)
    {
        var line = $"{string.Join(',', request.Permissions.Select(Permissions.NameOf).Concat(request.Roles.Select(role => Role.RowPrefix + role.Name)))} on {request.KeyPattern}";
        line += request.ContextConstraint.Rules.Count == 0 ? "" : $", {request.ContextConstraint.Rules.Count} context rules";
        return request.Quotas.Count == 0 ? line : $"{line}, {string.Join(' ', request.Quotas)}";
    }

    public static ulong GrantIdOf(RevokeGrantRequest request) =>
        request.Id.Length == 16 && ulong.TryParse(request.Id, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id)
            ? id
            : throw Refusal.InvalidArgument("id", "16 hexadecimal digits");

    private static Wire.Credential ToMessage(Credential credential) => credential.Kind switch
    {
        CredentialKind.CertificateSanUri => new() { CertificateSanUri = credential.Value },
        CredentialKind.CertificatePublicKeySha256 => new() { CertificatePublicKeySha256 = credential.Value },
        CredentialKind.OidcSubject when credential.Value.Split(' ') is [var issuer, var subject] => new() { OidcSubject = new Wire.OidcSubject { Issuer = issuer, Subject = subject } },
        CredentialKind.UnixUid => new() { UnixUid = uint.Parse(credential.Value, CultureInfo.InvariantCulture) },
        _ => throw new ArgumentOutOfRangeException(nameof(credential)),
    };

    private static Permission[] PermissionsOf(CreateGrantRequest request)
    {
        if (request.Permissions.Count == 0 && request.Roles.Count == 0)
        {
            throw Refusal.InvalidArgument("permissions", "at least one permission or role");
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

    private static List<Role> RolesOf(CreateGrantRequest request)
    {
        var roles = new List<Role>();
        for (var i = 0; i < request.Roles.Count; i++)
        {
            var role = Role.Find(request.Roles[i])
                ?? throw Refusal.InvalidArgument($"roles[{i}]", $"one of {string.Join(", ", Role.All)}");
            roles.Add(roles.Contains(role) ? throw Refusal.InvalidArgument($"roles[{i}]", "no role twice") : role);
        }

        roles.Sort((left, right) => string.CompareOrdinal(left.Name, right.Name));
        return roles;
    }

    private static ContextConstraint ConstraintOf(CreateGrantRequest request)
    {
        try
        {
            ContextConstraint exact = EncryptionContext.Create((request.ContextConstraint?.Entries ?? []).Select(entry => KeyValuePair.Create(entry.Key, entry.Value)));
            return GrantTerms.Create(ContextConstraint.Create(exact.Rules.Concat(request.ContextRules.Select(RuleOf))), []).Constraint;
        }
        catch (InvalidContextException e)
        {
            throw Refusal.InvalidContext("context_constraint", e.Message.TrimEnd('.'));
        }
    }

    private static ContextRule RuleOf(Wire.ContextRule rule, int index) => rule.RuleCase switch
    {
        Wire.ContextRule.RuleOneofCase.Prefix => ContextRule.Prefix(rule.Key, rule.Prefix),
        Wire.ContextRule.RuleOneofCase.OneOf => ContextRule.OneOf(rule.Key, rule.OneOf.Values),
        _ => throw Refusal.InvalidArgument($"context_rules[{index}]", "a prefix or a set of values"),
    };

    private static Wire.ContextRule ToMessage(ContextRule rule)
    {
        if (rule.Kind == ContextRuleKind.Prefix)
        {
            return new() { Key = rule.Key, Prefix = rule.Values[0] };
        }

        var message = new Wire.ContextRule { Key = rule.Key, OneOf = new ValueSet() };
        message.OneOf.Values.AddRange(rule.Values);
        return message;
    }

    private static IReadOnlyList<Quota> QuotasOf(CreateGrantRequest request)
    {
        try
        {
            var quotas = request.Quotas.Select(quota => new Quota((QuotaMeasure)(byte)Math.Clamp((int)quota.Measure, 0, 255), (QuotaWindow)(byte)Math.Clamp((int)quota.Window, 0, 255), quota.Limit));
            return GrantTerms.Create(ContextConstraint.Empty, quotas).Quotas;
        }
        catch (InvalidContextException e)
        {
            throw Refusal.InvalidArgument("quotas", e.Message.TrimEnd('.'));
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
