using KeyService.Crypto;

namespace KeyService.Server.Audit.Search;

/// <summary>Which records are looked for: what is null or empty is not asked for; all that is asked for must hold.</summary>
/// <param name="ContextDigest">Not in the index: every record that has the rest is read for it.</param>
/// <param name="From">First instant, Unix nanoseconds.</param>
/// <param name="Until">First instant after, Unix nanoseconds.</param>
internal sealed record AuditQuery(
    string? Principal, string? Key, IReadOnlyList<AuditEvent> Events, AuditOutcome? Outcome, byte[]? ContextDigest, long From, long Until)
{
    /// <summary>
    /// What the index is asked for: records must have one term of each group, the terms of a group are of one kind. The first group finds segments,
    /// so it is the one that is likely the rarest.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<AuditTerm>> TermGroups { get; } = Groups(Principal, Key, Events, Outcome);

    public bool Matches(AuditRecord record) =>
        (Principal is null || record.Principal == Principal)
        && (Key is null || record.Key == Key)
        && (Events.Count == 0 || Events.Contains((AuditEvent)record.EventId))
        && (Outcome is not { } outcome || record.Outcome == outcome)
        && (ContextDigest is null || record.ContextDigest.Span.SequenceEqual(ContextDigest))
        && record.TimeUnixNanoseconds >= From && record.TimeUnixNanoseconds < Until;

    private static List<IReadOnlyList<AuditTerm>> Groups(string? principal, string? key, IReadOnlyList<AuditEvent> events, AuditOutcome? outcome)
    {
        var groups = new List<IReadOnlyList<AuditTerm>>();
        if (key is not null)
        {
            groups.Add([new AuditTerm(AuditTermKind.Key, key)]);
        }

        if (principal is not null)
        {
            groups.Add([new AuditTerm(AuditTermKind.Principal, principal)]);
        }

        if (outcome is { } named && named != AuditOutcome.Success)
        {
            groups.Add([AuditTerm.Of(named)]);
        }

        if (events.Count > 0)
        {
            groups.Add([.. events.Select(AuditTerm.Of)]);
        }

        return groups;
    }
}
