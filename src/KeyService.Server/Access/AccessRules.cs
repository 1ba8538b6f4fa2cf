using KeyService.Crypto;

namespace KeyService.Server.Access;

/// <summary>A grant as it was asked for, well formed, not yet held against the rules.</summary>
internal sealed record GrantRequest(
    string Principal, IReadOnlyList<Permission> Permissions, KeyPattern KeyPattern, EncryptionContext ContextConstraint, DateTimeOffset? ExpireTime);

/// <summary>What may be granted to whom. Each answer is null, or the rule that is broken as a sentence without a full stop.</summary>
internal static class AccessRules
{
    /// <summary>
    /// Separation of duties (R3) over all that the principal effectively holds with the new grant, the limits of AI systems (R11), and
    /// grants that could never allow anything because their permission knows no key or no context.
    /// </summary>
    public static string? Violation(AccessSnapshot snapshot, Principal principal, GrantRequest request, DateTimeOffset now)
    {
        if (principal.Disabled)
        {
            return $"principal '{principal.Name}' is disabled";
        }

        var grants = snapshot.GrantsOf(principal.Name).Where(grant => grant.IsEffective(now)).ToList();
        if (grants.SelectMany(grant => grant.LaterPermissions).FirstOrDefault() is { } later
            && request.Permissions.Any(each => Permissions.Administers(each) || Permissions.Uses(each)))
        {
            return $"'{principal.Name}' holds {later}, which a newer KeyService granted, and only that one can tell whether the two may meet; "
                + "ask a server of the newer version";
        }

        var held = grants.SelectMany(grant => grant.Permissions).Concat(request.Permissions).ToHashSet();
        if (held.Any(Permissions.Administers) && held.Any(Permissions.Uses))
        {
            return $"'{principal.Name}' would both administer ({Names(held.Where(Permissions.Administers))}) and use keys "
                + $"({Names(held.Where(Permissions.Uses))}); give one of the two to another principal";
        }

        if (principal.Type == PrincipalType.AiSystem && request.Permissions.Any(Permissions.HandsOutDataKeys))
        {
            return "an AI system is never handed data keys; let it encrypt and decrypt through the service";
        }

        if (!request.Permissions.All(Permissions.ConcernsKeys) && request.KeyPattern != KeyPattern.All)
        {
            return $"{Names(request.Permissions.Where(each => !Permissions.ConcernsKeys(each)))} concerns no key; use the key pattern *";
        }

        return !request.Permissions.All(Permissions.Uses) && request.ContextConstraint.Pairs.Count > 0
            ? $"{Names(request.Permissions.Where(each => !Permissions.Uses(each)))} knows no context, so a constraint would never be met"
            : null;
    }

    /// <summary>Somebody must stay who can administer access, or nobody ever could again.</summary>
    public static bool LeavesAnAdministrator(AccessSnapshot after, DateTimeOffset now) => after.Grants.Values.Any(grant =>
        grant.IsEffective(now) && grant.Permissions.Contains(Permission.AdministerAccess) && !after.Principals[grant.Principal].Disabled);

    private static string Names(IEnumerable<Permission> permissions) => string.Join(", ", permissions.Order().Select(Permissions.NameOf));
}
