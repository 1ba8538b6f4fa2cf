using KeyService.Server.Access;
using KeyService.Server.Storage;

namespace KeyService.Server.AccessReviews;

/// <summary>A principal in a review: what was found when it was started, and what was done since.</summary>
/// <param name="Row">Null while nothing was done.</param>
/// <param name="Verdict">As it stands now: a principal that was disabled otherwise needs none of its manager.</param>
/// <param name="HasManager">Somebody who is active is named to attest it.</param>
internal sealed record ReviewedPrincipal(ScopeEntry Entry, AccessReviewItemRow? Row, ReviewVerdict Verdict, bool HasManager)
{
    public string Name => Entry.Principal;

    /// <summary>Empty: nobody can attest it.</summary>
    public string Manager => Row?.Manager ?? Entry.Manager;

    public bool IsPending => Verdict == ReviewVerdict.Pending;

    /// <summary>It is to be attested, and nobody can.</summary>
    public bool IsOrphan => IsPending && !HasManager;

    public DateTimeOffset? DecideTime => Row?.DecidedAt is { } at ? UnixTime.FromNanoseconds(at) : null;

    /// <summary>Everybody in a review, by name.</summary>
    /// <param name="items">Rows of the review.</param>
    public static IReadOnlyList<ReviewedPrincipal> Of(
        AccessReviewRow review, IReadOnlyDictionary<string, AccessReviewItemRow> items, AccessSnapshot snapshot) =>
        [.. ReviewScope.Parse(review.Scope).Entries.Select(entry => Of(review, entry, items.GetValueOrDefault(entry.Principal), snapshot))];

    public static ReviewedPrincipal Of(AccessReviewRow review, ScopeEntry entry, AccessReviewItemRow? row, AccessSnapshot snapshot)
    {
        var verdict = row is null ? ReviewVerdict.Pending : (ReviewVerdict)row.Verdict;
        // A closed review has nobody pending: who was, had been disabled.
        var isDisabled = !review.IsOpen || (snapshot.Principals.TryGetValue(entry.Principal, out var principal) && principal.Disabled);
        var hasManager = snapshot.Principals.TryGetValue(row?.Manager ?? entry.Manager, out var manager) && !manager.Disabled;
        return new ReviewedPrincipal(entry, row, verdict == ReviewVerdict.Pending && isDisabled ? ReviewVerdict.DisabledMeanwhile : verdict, hasManager);
    }
}
