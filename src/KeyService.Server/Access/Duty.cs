namespace KeyService.Server.Access;

/// <summary>One side of a forbidden pair: what somebody can hold, a kind of permissions or a role.</summary>
internal sealed class Duty
{
    private readonly Func<Permission, bool> _permissions;
    private readonly Role? _role;

    private Duty(string name, Func<Permission, bool> permissions, Role? role)
    {
        Name = name;
        _permissions = permissions;
        _role = role;
    }

    /// <summary>For messages, for example "the use of keys".</summary>
    public string Name { get; }

    public static Duty Of(string name, Func<Permission, bool> permissions) => new(name, permissions, role: null);

    public static Duty Of(Role role) => new($"the role {role.Name}", permission => role.Permissions.Contains(permission), role);

    /// <summary>Whether the permission is exercised as a part of this duty.</summary>
    public bool Has(Permission permission) => _permissions(permission);

    /// <summary>What of these grants amounts to the duty, by name; empty when nothing does.</summary>
    public IReadOnlyList<string> HeldBy(IReadOnlyCollection<Grant> grants) => _role is not null
        ? grants.Any(grant => grant.Roles.Contains(_role)) ? [_role.Name] : []
        : [.. grants.SelectMany(grant => grant.Allowed).Where(_permissions).Distinct().Order().Select(Permissions.NameOf)];
}
