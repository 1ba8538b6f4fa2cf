namespace KeyService.Server.Access;

/// <summary>What the register says to one question.</summary>
/// <param name="IsAllowed">Default deny: false unless a grant covers it.</param>
/// <param name="Grant">The grant that allows it; null for what every principal may.</param>
/// <param name="SpentQuota">Refused because each grant that covers it has a quota that is used up; one of them.</param>
/// <param name="ForbiddenPair">Refused because both sides of a forbidden pair are held, though a grant would cover it; what they are.</param>
internal readonly record struct AccessDecision(bool IsAllowed, Grant? Grant, string? ForbiddenPair, SpentQuota? SpentQuota = null)
{
    public static AccessDecision Denied => default;

    public static AccessDecision Allowed => new(true, null, null);

    public static AccessDecision By(Grant grant) => new(true, grant, null);

    public static AccessDecision Spent(SpentQuota quota) => new(false, null, null, quota);

    public static AccessDecision OfPair(string pair) => new(false, null, pair);
}
