namespace KeyService.Server.Access;

/// <summary>
/// The limits of AI systems (R11): they encrypt and decrypt through the service and nothing else, in contexts that somebody listed, as much as a quota allows; no
/// data key leaves for them, no stream is opened, nothing is administered. Asked when something is granted, and of each grant with each call.
/// </summary>
internal static class AiSystems
{
    /// <summary>Items of a batch at most: each of them is recorded.</summary>
    public const int MaxItems = 100;

    /// <summary>What keeps a grant from counting for an AI system, as a sentence without a full stop; null when nothing does.</summary>
    public static string? Objection(Grant grant)
    {
        if (grant.Allowed.FirstOrDefault(permission => !Role.AiSystem.Permissions.Contains(permission)) is var beyond and not Permission.None)
        {
            return $"an AI system encrypts and decrypts through the service and is never given {Permissions.NameOf(beyond)}";
        }

        if (grant.ContextConstraint.Rules.Count == 0)
        {
            return "an AI system is granted contexts by name: give a context constraint";
        }

        return grant.Quotas.Count == 0 ? "an AI system has a quota: give one, of items a day for example" : null;
    }

    public static bool Honours(Principal principal, Grant grant) => principal.Type != PrincipalType.AiSystem || Objection(grant) is null;
}
