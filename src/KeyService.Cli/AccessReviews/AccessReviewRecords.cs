using KeyService.Cli.Access;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.AccessReviews;

/// <summary>Reviews of access and what they have of principals, as they are shown.</summary>
internal static class AccessReviewRecords
{
    public static Record Of(AccessReview review) => new Record
    {
        ["id"] = review.Id,
        ["state"] = review.Open ? "open" : "closed",
        ["due_time"] = Times.Of(review.DueTime),
        ["principals"] = review.Principals,
        ["pending"] = review.Pending,
        ["orphans"] = review.Orphans,
        ["kept"] = review.Kept,
        ["suspended"] = review.Suspended,
        ["started_by"] = review.StartedBy,
    }
    .Detail("end_time", Times.Of(review.EndTime))
    .Detail("start_time", Times.Of(review.StartTime))
    .Detail("close_time", Times.Of(review.CloseTime))
    .Detail("closed_by", Absent(review.ClosedBy))
    .Detail("roster_sha256", Convert.ToHexStringLower(review.RosterSha256.Span));

    public static Record Of(AccessReviewItem item) => new Record
    {
        ["principal"] = item.Principal,
        ["type"] = EnumNames.Of(item.PrincipalType),
        ["manager"] = Absent(item.Manager),
        ["finding"] = item.Finding == AccessReviewFinding.None ? null : EnumNames.Of(item.Finding),
        ["verdict"] = EnumNames.Of(item.Verdict),
        ["holds"] = item.Grants.Select(TextOf).ToList(),
    }
    .Detail("attested_by", Absent(item.AttestedBy))
    .Detail("verdict_time", Times.Of(item.VerdictTime))
    .Detail("note", Absent(item.Note))
    .Detail("access", Absent(Convert.ToHexStringLower(item.AccessDigest.Span)))
    .Detail("review", item.ReviewId)
    .Detail("grants", item.Grants.Select(AccessRecords.Of).ToList());

    /// <summary>A grant in short: "decrypt on ehr/*, until 2027-01-31T00:00:00Z".</summary>
    private static string TextOf(Grant grant)
    {
        var what = string.Join('+', grant.Permissions.Concat(grant.Roles.Select(role => $"role:{role}")));
        var limits = (grant.ContextConstraint?.Entries.Count ?? 0) + grant.ContextRules.Count > 0 ? ", in a context" : "";
        return $"{what} on {grant.KeyPattern}{limits}{(grant.ExpireTime is null ? "" : $", until {Record.Time(grant.ExpireTime.ToDateTimeOffset())}")}";
    }

    private static string? Absent(string text) => text.Length == 0 ? null : text;
}
