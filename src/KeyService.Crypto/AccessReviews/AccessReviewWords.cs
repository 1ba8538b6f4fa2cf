namespace KeyService.Crypto.AccessReviews;

/// <summary>
/// The words that stand in results of access reviews, docs/spec/access-review.md. They only grow: a result is kept for years.
/// </summary>
public static class AccessReviewWords
{
    /// <summary>Attested by its manager: it keeps what it holds.</summary>
    public const string Keep = "keep";

    /// <summary>Its manager had it disabled.</summary>
    public const string Suspend = "suspend";

    /// <summary>Nobody attested it, and it was disabled at the deadline.</summary>
    public const string SuspendedAtDeadline = "suspended-at-deadline";

    /// <summary>Nobody attested it, and without it nobody could administer access.</summary>
    public const string KeptAsLastAdministrator = "kept-as-last-administrator";

    /// <summary>It was disabled otherwise before anybody attested it.</summary>
    public const string DisabledMeanwhile = "disabled-meanwhile";

    /// <summary>What can become of a principal.</summary>
    public static IReadOnlyList<string> Verdicts { get; } = [Keep, Suspend, SuspendedAtDeadline, KeptAsLastAdministrator, DisabledMeanwhile];

    /// <summary>What the personnel office's list can say of a principal that is active; nothing is no word.</summary>
    public static IReadOnlyList<string> Findings { get; } =
    [
        "orphan", "left", "no-manager", "manager-not-active", "manager-not-a-person", "manager-is-itself", "manager-started-review",
    ];

    /// <summary>Types of principals.</summary>
    public static IReadOnlyList<string> Types { get; } = ["service", "person", "ai-system"];
}
