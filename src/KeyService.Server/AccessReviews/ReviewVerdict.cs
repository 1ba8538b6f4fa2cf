using KeyService.Server.Access;

namespace KeyService.Server.AccessReviews;

/// <summary>What became of a principal in a review; frozen numbers, the same as in <c>access_reviews.proto</c>.</summary>
internal enum ReviewVerdict : byte
{
    /// <summary>Nobody has said yet.</summary>
    Pending = 1,
    Keep = 2,

    /// <summary>Its manager had it disabled.</summary>
    Suspend = 3,

    /// <summary>Nobody attested it, and it was disabled at the deadline.</summary>
    SuspendedAtDeadline = 4,

    /// <summary>Nobody attested it, and without it nobody could administer access.</summary>
    KeptAsLastAdministrator = 5,

    /// <summary>It was disabled otherwise before anybody attested it. Never stands in a row: it follows.</summary>
    DisabledMeanwhile = 6,
}

/// <summary>Names of verdicts, as results have them.</summary>
internal static class ReviewVerdicts
{
    /// <summary>For example "suspended-at-deadline".</summary>
    public static string NameOf(ReviewVerdict verdict) => KebabName.Of(verdict.ToString());
}
