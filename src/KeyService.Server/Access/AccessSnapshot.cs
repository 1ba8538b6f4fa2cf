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
        ImmutableDictionary.Create<string, HeldGrants>(StringComparer.Ordinal));

    private readonly ImmutableDictionary<string, HeldGrants> _grantsOf;

    private AccessSnapshot(
        ImmutableSortedDictionary<string, Principal> principals,
        ImmutableDictionary<Credential, Principal> byCredential,
        ImmutableSortedDictionary<ulong, Grant> grants,
        ImmutableDictionary<string, HeldGrants> grantsOf)
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
    public ImmutableArray<Grant> GrantsOf(string principal) => _grantsOf.TryGetValue(principal, out var held) ? held.Grants : [];

    /// <summary>
    /// Whether a grant covers this at <paramref name="now"/>, and by which one: of several one without a quota, else one whose quotas are not used up.
    /// </summary>
    /// <param name="spent">The quota of a grant that is used up, or null; null counts none.</param>
    public AccessDecision Decide(
        string principal, Permission permission, string? keyName, EncryptionContext? context, DateTimeOffset now, SeparationLevel level, Func<Grant, SpentQuota?>? spent = null)
    {
        if (!Principals.TryGetValue(principal, out var registered) || registered.Disabled)
        {
            return AccessDecision.Denied;
        }

        if (permission == Permission.None)
        {
            return AccessDecision.Allowed;
        }

        if (!_grantsOf.TryGetValue(principal, out var held))
        {
            return AccessDecision.Denied;
        }

        Grant? covering = null;
        SpentQuota? usedUp = null;
        foreach (var grant in held.Grants)
        {
            if (!grant.IsEffective(now) || !grant.Covers(permission, keyName, context) || !AiSystems.Honours(registered, grant))
            {
                continue;
            }

            if (grant.Quotas.Count == 0)
            {
                covering = grant;
                break;
            }

            if (spent?.Invoke(grant) is { } quota)
            {
                usedUp ??= quota;
            }
            else
            {
                covering ??= grant;
            }
        }

        if (covering is null && usedUp is null)
        {
            return AccessDecision.Denied;
        }

        // Looked at closely only for who could hold a forbidden pair at all: nobody, as long as every grant came through the rules.
        if (held.MayConflict && Separation.Refusing(permission, [.. held.Grants.Where(each => each.IsEffective(now))], level) is { } pair)
        {
            return AccessDecision.OfPair(pair);
        }

        return covering is null ? AccessDecision.Spent(usedUp!) : AccessDecision.By(covering);
    }

    /// <summary>All at once, for a load.</summary>
    public static AccessSnapshot Of(IReadOnlyList<Principal> principals, IReadOnlyList<Grant> grants) => new(
        principals.ToImmutableSortedDictionary(each => each.Name, each => each, StringComparer.Ordinal),
        principals.ToImmutableDictionary(each => each.Credential),
        grants.ToImmutableSortedDictionary(each => each.Id, each => each),
        grants.GroupBy(each => each.Principal, StringComparer.Ordinal)
            .ToImmutableDictionary(group => group.Key, group => HeldGrants.Of([.. group.OrderBy(each => each.Id)]), StringComparer.Ordinal));

    public AccessSnapshot With(Principal principal) => new(
        Principals.SetItem(principal.Name, principal), ByCredential.SetItem(principal.Credential, principal), Grants, _grantsOf);

    public AccessSnapshot With(Grant grant)
    {
        var others = GrantsOf(grant.Principal).Where(other => other.Id != grant.Id);
        var grants = others.Append(grant).OrderBy(each => each.Id).ToImmutableArray();
        return new AccessSnapshot(Principals, ByCredential, Grants.SetItem(grant.Id, grant), _grantsOf.SetItem(grant.Principal, HeldGrants.Of(grants)));
    }

    /// <param name="MayConflict">Whether those that are not revoked would hold a forbidden pair if all were in force at once.</param>
    private sealed record HeldGrants(ImmutableArray<Grant> Grants, bool MayConflict)
    {
        public static HeldGrants Of(ImmutableArray<Grant> grants) =>
            new(grants, Separation.Find([.. grants.Where(grant => !grant.Revoked)], SeparationLevel.Strict) is not null);
    }
}
