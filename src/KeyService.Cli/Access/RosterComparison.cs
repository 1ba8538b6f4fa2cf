using KeyService.Protocol.V1;

namespace KeyService.Cli.Access;

/// <summary>What the personnel office's list and the register of principals say of one name.</summary>
/// <param name="Finding">Null when the two agree.</param>
internal sealed record RosterFinding(string Principal, PrincipalType? Type, string Manager, string? Finding);

/// <summary>Holds every active principal against the personnel office's list, and every name on the list against the register.</summary>
internal static class RosterComparison
{
    /// <summary>By name, ordinally.</summary>
    /// <param name="now">Who leaves later than this is still here.</param>
    public static IReadOnlyList<RosterFinding> Compare(IReadOnlyCollection<Principal> principals, IReadOnlyCollection<RosterEntry> roster, DateTimeOffset now)
    {
        var registered = principals.ToDictionary(principal => principal.Name, StringComparer.Ordinal);
        var listed = roster.ToDictionary(entry => entry.Principal, StringComparer.Ordinal);
        return
        [
            .. registered.Keys.Union(listed.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal)
                .Select(name => Of(name, registered.GetValueOrDefault(name), listed.GetValueOrDefault(name), registered, now))
                .OfType<RosterFinding>(),
        ];
    }

    // Null: disabled and not expected to be here.
    private static RosterFinding? Of(
        string name, Principal? principal, RosterEntry? entry, Dictionary<string, Principal> registered, DateTimeOffset now)
    {
        var isActive = principal is { Disabled: false };
        var isHere = entry is not null && !(entry.LeftTime <= now);
        var finding = (isActive, entry) switch
        {
            (true, null) => "orphan: active, and not on the list",
            (true, { } left) when !isHere => $"left {left.LeftTime!.Value.UtcDateTime:yyyy-MM-dd}, and is still active",
            (true, { } manager) => ManagerFinding(manager, registered),
            (false, { }) when isHere => principal is null ? "on the list, and not registered" : "on the list, and disabled",
            _ => null,
        };
        return isActive || finding is not null ? new RosterFinding(name, principal?.Type, entry?.Manager ?? "", finding) : null;
    }

    private static string? ManagerFinding(RosterEntry entry, Dictionary<string, Principal> registered)
    {
        if (entry.Manager.Length == 0)
        {
            return "nobody answers for it";
        }
        if (entry.Manager == entry.Principal)
        {
            return "answers for itself";
        }
        return registered.TryGetValue(entry.Manager, out var manager) && !manager.Disabled ? null : $"{entry.Manager}, who answers for it, is no active principal";
    }
}
