using System.Collections.Immutable;
using KeyService.Crypto;

namespace KeyService.Server.Access;

/// <summary>All principals and grants at one instant; immutable, so a call decides on one state.</summary>
internal sealed class AccessSnapshot
{
    public static AccessSnapshot Empty { get; } = new(
        ImmutableSortedDictionary.Create<string, Principal>(StringComparer.Ordinal),
        ImmutableDictionary<Credential, Principal>.Empty,
        ImmutableSortedDictionary<ulong, Grant>.Empty,
        ImmutableDictionary.Create<string, ImmutableArray<Grant>>(StringComparer.Ordinal));

    private readonly ImmutableDictionary<string, ImmutableArray<Grant>> _grantsOf;

    private AccessSnapshot(
        ImmutableSortedDictionary<string, Principal> principals,
        ImmutableDictionary<Credential, Principal> byCredential,
        ImmutableSortedDictionary<ulong, Grant> grants,
        ImmutableDictionary<string, ImmutableArray<Grant>> grantsOf)
    {
        Principals = principals;
        ByCredential = byCredential;
        Grants = grants;
        _grantsOf = grantsOf;
    }

    /// <summary>By name, disabled ones too.</summary>
    public ImmutableSortedDictionary<string, Principal> Principals { get; }

    public ImmutableDictionary<Credential, Principal> ByCredential { get; }

    /// <summary>By id, expired and revoked ones too.</summary>
    public ImmutableSortedDictionary<ulong, Grant> Grants { get; }

    /// <summary>Grants of a principal, in the order of their ids, expired and revoked ones too.</summary>
    public ImmutableArray<Grant> GrantsOf(string principal) => _grantsOf.TryGetValue(principal, out var grants) ? grants : [];

    public bool Allows(string principal, Permission permission, string? keyName, EncryptionContext? context, DateTimeOffset now)
    {
        if (!Principals.TryGetValue(principal, out var registered) || registered.Disabled)
        {
            return false;
        }

        if (permission == Permission.None)
        {
            return true;
        }

        foreach (var grant in GrantsOf(principal))
        {
            if (grant.IsEffective(now) && grant.Covers(permission, keyName, context))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>All at once, for a load.</summary>
    public static AccessSnapshot Of(IReadOnlyList<Principal> principals, IReadOnlyList<Grant> grants) => new(
        principals.ToImmutableSortedDictionary(each => each.Name, each => each, StringComparer.Ordinal),
        principals.ToImmutableDictionary(each => each.Credential),
        grants.ToImmutableSortedDictionary(each => each.Id, each => each),
        grants.GroupBy(each => each.Principal, StringComparer.Ordinal)
            .ToImmutableDictionary(group => group.Key, group => group.OrderBy(each => each.Id).ToImmutableArray(), StringComparer.Ordinal));

    public AccessSnapshot With(Principal principal) => new(
        Principals.SetItem(principal.Name, principal), ByCredential.SetItem(principal.Credential, principal), Grants, _grantsOf);

    public AccessSnapshot With(Grant grant)
    {
        var others = GrantsOf(grant.Principal).Where(other => other.Id != grant.Id);
        var grants = others.Append(grant).OrderBy(each => each.Id).ToImmutableArray();
        return new AccessSnapshot(Principals, ByCredential, Grants.SetItem(grant.Id, grant), _grantsOf.SetItem(grant.Principal, grants));
    }
}
