using KeyService.Crypto.AccessReviews;

namespace KeyService.Server.AccessReviews;

/// <summary>How many principals a review has, and how many of them each became.</summary>
/// <param name="Orphans">Pending ones whom nobody can attest as it stands.</param>
internal sealed record ReviewCounts(int Principals, int Pending, int Orphans, int Kept, int Suspended)
{
    public static ReviewCounts Of(IReadOnlyCollection<ReviewedPrincipal> everybody) => new(
        everybody.Count, everybody.Count(each => each.IsPending), everybody.Count(each => each.IsOrphan),
        everybody.Count(each => each.Verdict is ReviewVerdict.Keep or ReviewVerdict.KeptAsLastAdministrator),
        everybody.Count(each => each.Verdict is ReviewVerdict.Suspend or ReviewVerdict.SuspendedAtDeadline));

    /// <summary>Of a closed review: its result says it, without a look at each row.</summary>
    public static ReviewCounts Of(AccessReviewResult result) => new(
        result.Entries.Count, 0, 0,
        result.Entries.Count(each => each.Verdict is AccessReviewWords.Keep or AccessReviewWords.KeptAsLastAdministrator),
        result.Entries.Count(each => each.Verdict is AccessReviewWords.Suspend or AccessReviewWords.SuspendedAtDeadline));
}
