using KeyService.Crypto;

namespace KeyService.Server.Access;

/// <summary>A grant as it was asked for, well formed, not yet held against the rules.</summary>
internal sealed record GrantRequest(
    string Principal, IReadOnlyList<Permission> Permissions, KeyPattern KeyPattern, ContextConstraint ContextConstraint, DateTimeOffset? ExpireTime)
{
    /// <summary>By name, ascending, none twice.</summary>
    public IReadOnlyList<Role> Roles { get; init; } = [];

    public IReadOnlyList<Quota> Quotas { get; init; } = [];

    /// <summary>The grant that it becomes.</summary>
    public Grant ToGrant(ulong id, DateTimeOffset createTime) => new()
    {
        Id = id,
        Principal = Principal,
        Permissions = Permissions,
        Roles = Roles,
        KeyPattern = KeyPattern,
        ContextConstraint = ContextConstraint,
        Quotas = Quotas,
        ExpireTime = ExpireTime,
        CreateTime = createTime,
        Revoked = false,
        Revision = 1,
    };
}

/// <summary>What may be granted to whom. Each answer is null, or the rule that is broken as a sentence without a full stop.</summary>
internal static class AccessRules
{
    /// <summary>
    /// Separation of duties (R3) over all that the principal effectively holds with the new grant, the limits of AI systems (R11), and
    /// grants that could never allow anything because their permission knows no key or no context.
    /// </summary>
    public static string? Violation(AccessSnapshot snapshot, Principal principal, GrantRequest request, DateTimeOffset now, SeparationLevel level)
    {
        if (principal.Disabled)
        {
            return $"principal '{principal.Name}' is disabled";
        }

        var grants = snapshot.GrantsOf(principal.Name).Where(grant => grant.IsEffective(now)).ToList();
        var wanted = request.ToGrant(id: 0, now);
        if (grants.SelectMany(grant => grant.LaterPermissions).FirstOrDefault() is { } later
            && wanted.Allowed.Any(each => Permissions.Administers(each) || Permissions.Uses(each)))
        {
            return $"'{principal.Name}' holds {later}, which a newer KeyService granted, and only that one can tell whether the two may meet; "
                + "ask a server of the newer version";
        }

        if (Separation.Find([.. grants, wanted], level) is { } met)
        {
            return $"'{principal.Name}' would hold {met}, which may not meet in one hand; give one of the two to another principal";
        }

        if (principal.Type == PrincipalType.AiSystem && AiSystems.Objection(wanted) is { } objection)
        {
            return objection;
        }

        return NeverAllows(request);
    }

    /// <summary>Somebody must stay who can administer access, or nobody ever could again.</summary>
    public static bool LeavesAnAdministrator(AccessSnapshot after, DateTimeOffset now, SeparationLevel level) => after.Principals.Values.Any(
        principal => after.Decide(principal.Name, Permission.AdministerAccess, keyName: null, context: null, now, level).IsAllowed);

    private static string? NeverAllows(GrantRequest request)
    {
        if (request.KeyPattern != KeyPattern.All)
        {
            if (!request.Permissions.All(Permissions.ConcernsKeys))
            {
                return $"{Names(request.Permissions.Where(each => !Permissions.ConcernsKeys(each)))} concerns no key; use the key pattern *";
            }

            if (request.Roles.FirstOrDefault(role => !role.Permissions.Any(Permissions.ConcernsKeys)) is { } keyless)
            {
                return $"the role {keyless.Name} concerns no key; use the key pattern *";
            }
        }

        if (request.ContextConstraint.Rules.Count == 0 && request.Quotas.Count == 0)
        {
            return null;
        }

        if (!request.Permissions.All(Permissions.Uses))
        {
            return $"{Names(request.Permissions.Where(each => !Permissions.Uses(each)))} knows no context, so a constraint would never be met, and no quota counts it";
        }

        return request.Roles.FirstOrDefault(role => !role.Permissions.All(Permissions.Uses)) is { } contextless
            ? $"the role {contextless.Name} has permissions that know no context, so a constraint would never be met, and no quota counts them"
            : null;
    }

    private static string Names(IEnumerable<Permission> permissions) => string.Join(", ", permissions.Order().Select(Permissions.NameOf));
}
