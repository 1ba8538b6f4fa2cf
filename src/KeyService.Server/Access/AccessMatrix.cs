namespace KeyService.Server.Access;

/// <summary>A permission that somebody holds.</summary>
/// <param name="Role">The role of the grant that it comes by; null when the grant names it itself.</param>
/// <param name="RefusedPair">It is refused all the same: what the principal holds and may not.</param>
internal sealed record EffectivePermission(Principal Principal, Permission Permission, Grant Grant, Role? Role, string? RefusedPair);

/// <summary>Who may do what, of everybody at one instant: grants in force of enabled principals.</summary>
internal sealed class AccessMatrix(AccessSnapshot snapshot, DateTimeOffset now, SeparationLevel level)
{
    /// <summary>Grants that count, by principal and id.</summary>
    /// <param name="principal">Empty is all.</param>
    public IEnumerable<Grant> Grants(string principal) => snapshot.Principals.Values
        .Where(each => !each.Disabled && (principal.Length == 0 || each.Name == principal))
        .SelectMany(each => snapshot.GrantsOf(each.Name))
        .Where(grant => grant.IsEffective(now) && AiSystems.Honours(snapshot.Principals[grant.Principal], grant));

    /// <summary>Where a grant stands in their order, compared ordinally: no name has a character before the space.</summary>
    public static string PlaceOf(Grant grant) => $"{grant.Principal} {grant.IdText}";

    /// <summary>A row for each permission, by itself and by each role that has it.</summary>
    public IEnumerable<EffectivePermission> RowsOf(Grant grant)
    {
        var principal = snapshot.Principals[grant.Principal];
        var held = snapshot.GrantsOf(grant.Principal).Where(each => each.IsEffective(now)).ToList();
        return grant.Permissions.Select(permission => (Permission: permission, Role: (Role?)null))
            .Concat(grant.Roles.SelectMany(role => role.Permissions.Select(permission => (Permission: permission, Role: (Role?)role))))
            .Select(each => new EffectivePermission(principal, each.Permission, grant, each.Role, Separation.Refusing(each.Permission, held, level)));
    }
}
