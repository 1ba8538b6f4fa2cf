using System.Globalization;
using KeyService.Crypto;

namespace KeyService.Server.Access;

/// <summary>A grant that does not allow what was asked, and everything that would have to be otherwise, as sentences without a full stop.</summary>
internal sealed record NearGrant(Grant Grant, IReadOnlyList<string> Lacks);

/// <summary>Why a call would be allowed or not. Asks <see cref="AccessSnapshot.Decide"/>, so it never says other than a call would hear.</summary>
internal sealed record AccessExplanation(bool IsAllowed, string Reason, Grant? Grant, IReadOnlyList<NearGrant> Near)
{
    private const int MaxNear = 100;

    public static AccessExplanation Of(
        AccessSnapshot snapshot, string principal, Permission permission, string? keyName, EncryptionContext context, DateTimeOffset now, SeparationLevel level,
        Func<Grant, SpentQuota?>? spent = null)
    {
        if (!snapshot.Principals.TryGetValue(principal, out var registered))
        {
            return Refused($"'{principal}' is no registered principal.");
        }

        if (registered.Disabled)
        {
            return Refused($"'{principal}' is disabled: refused everywhere.");
        }

        var decision = snapshot.Decide(principal, permission, keyName, context, now, level, spent);
        if (decision.IsAllowed)
        {
            return new AccessExplanation(true, $"Grant {decision.Grant!.IdText} allows it.", decision.Grant, []);
        }

        var near = snapshot.GrantsOf(principal).Select(grant => new NearGrant(grant, [.. LacksOf(registered, grant, permission, keyName, context, now, spent)]))
            .OrderBy(each => each.Lacks.Count).ThenBy(each => each.Grant.Id).Take(MaxNear).ToList();
        if (decision.ForbiddenPair is { } pair)
        {
            return new AccessExplanation(false, $"'{principal}' holds {pair}, which may not meet in one hand: both are refused.", null, near);
        }

        return new AccessExplanation(
            false, near.Count == 0 ? $"'{principal}' has no grant, and without one nothing is allowed." : "No grant covers it.", null, near);
    }

    /// <summary>Empty for a grant that covers it; then something else refuses.</summary>
    private static IEnumerable<string> LacksOf(Principal principal, Grant grant, Permission permission, string? keyName, EncryptionContext context, DateTimeOffset now,
        Func<Grant, SpentQuota?>? spent)
    {
        if (grant.Revoked)
        {
            yield return "it was revoked";
        }

        if (grant.ExpireTime is { } end && end <= now)
        {
            yield return $"it expired at {end.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)}";
        }

        if (!grant.Gives(permission))
        {
            yield return $"it does not give {Permissions.NameOf(permission)}";
        }

        if (keyName is not null && !grant.KeyPattern.Covers(keyName))
        {
            yield return $"its key pattern {grant.KeyPattern} does not cover {keyName}";
        }

        foreach (var rule in grant.ContextConstraint.Rules.Where(rule => !rule.IsMetBy(context[rule.Key])))
        {
            yield return context[rule.Key] is { } given
                ? $"it wants the context {rule}, and {rule.Key} is {given}"
                : $"it wants the context {rule}, and the context has no {rule.Key}";
        }

        if (principal.Type == PrincipalType.AiSystem && AiSystems.Objection(grant) is { } objection)
        {
            yield return objection;
        }

        if (spent?.Invoke(grant) is { } usedUp)
        {
            yield return $"its quota {usedUp.Quota} is used up for another {Math.Ceiling(usedUp.UntilEnd.TotalSeconds).ToString(CultureInfo.InvariantCulture)} s";
        }
    }

    private static AccessExplanation Refused(string reason) => new(false, reason, null, []);
}
