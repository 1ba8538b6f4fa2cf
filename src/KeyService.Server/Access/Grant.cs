using System.Globalization;
using KeyService.Crypto;

namespace KeyService.Server.Access;

/// <summary>What one principal may do with which keys in which contexts. Immutable but for being revoked.</summary>
internal sealed record Grant
{
    /// <summary>Random; 16 hexadecimal digits where it is shown.</summary>
    public required ulong Id { get; init; }

    public required string Principal { get; init; }

    /// <summary>Ascending by number, none twice; at least one, unless all of them are of a newer version.</summary>
    public required IReadOnlyList<Permission> Permissions { get; init; }

    /// <summary>
    /// Names that a newer version granted and this one does not know, as they stand behind the others. Nothing here ever asks for them; they are kept
    /// because the row's bytes are.
    /// </summary>
    public IReadOnlyList<string> LaterPermissions { get; init; } = [];

    /// <summary>Roles by name, ascending, none twice.</summary>
    public IReadOnlyList<Role> Roles { get; init; } = [];

    /// <summary>Every permission that it gives, by itself or by a role.</summary>
    public IEnumerable<Permission> Allowed => Roles.Count == 0 ? Permissions : Permissions.Concat(Roles.SelectMany(role => role.Permissions));

    /// <summary>All names, as the API has them: permissions of this version and of later ones.</summary>
    public IEnumerable<string> PermissionNames => Permissions.Select(Access.Permissions.NameOf).Concat(LaterPermissions);

    public required KeyPattern KeyPattern { get; init; }

    /// <summary>What the request's context must hold.</summary>
    public required ContextConstraint ContextConstraint { get; init; }

    /// <summary>How much may be done under it.</summary>
    public IReadOnlyList<Quota> Quotas { get; init; } = [];

    /// <summary>First instant at which it no longer allows anything; null: does not expire.</summary>
    public required DateTimeOffset? ExpireTime { get; init; }

    public required DateTimeOffset CreateTime { get; init; }

    public required bool Revoked { get; init; }

    /// <summary>1 when created, 2 when revoked.</summary>
    public required long Revision { get; init; }

    public string IdText => Id.ToString("x16", CultureInfo.InvariantCulture);

    public bool IsEffective(DateTimeOffset now) => !Revoked && (ExpireTime is not { } end || now < end);

    public bool Gives(Permission permission)
    {
        if (Permissions.Contains(permission))
        {
            return true;
        }

        foreach (var role in Roles)
        {
            if (role.Permissions.Contains(permission))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether permission, key and context fit; <see cref="IsEffective"/> is another question.</summary>
    public bool Covers(Permission permission, string? keyName, EncryptionContext? context) =>
        Gives(permission) && (keyName is null || KeyPattern.Covers(keyName)) && ContextConstraint.IsMetBy(context);
}
