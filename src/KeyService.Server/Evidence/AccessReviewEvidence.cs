using System.Globalization;
using System.Text;
using KeyService.Crypto.AccessReviews;
using KeyService.Server.Access;
using KeyService.Server.AccessReviews;
using KeyService.Server.Detection;
using KeyService.Server.Storage;

namespace KeyService.Server.Evidence;

/// <summary>The reviews of access that a range of time touches, their signed results, and whom they cost their access.</summary>
internal sealed class AccessReviewEvidence(IStore store, AccessReviewTable reviews, AccessReviewCampaign campaign, ReviewSigner signer)
{
    /// <summary>The verifier key of the results.</summary>
    public const string KeyName = "access/reviews/key";

    private const string Paragraph = "164.308(a)(4)(ii)(C)";
    private const string SuspendedHeader = "review,principal,type,manager,finding,verdict,decided_by,decided,note";

    /// <exception cref="StoreTamperedException">A register was changed outside the service.</exception>
    public async Task<IReadOnlyList<EvidenceItem>> CollectAsync(EvidenceRange range, CancellationToken cancellationToken)
    {
        var installation = (await Installation.ReadAsync(store, cancellationToken))!.LogId;
        var touched = new List<(AccessReviewRow Review, IReadOnlyList<ReviewedPrincipal> Everybody)>();
        await store.ReadAsync(
            async connection =>
            {
                foreach (var review in (await reviews.ListAsync(connection, null, cancellationToken)).Where(each => Touches(range, each)))
                {
                    touched.Add((review, await campaign.EverybodyAsync(connection, review, cancellationToken)));
                }

                return touched.Count;
            },
            cancellationToken);
        var key = await signer.VerifierAsync(AccessReviewResult.OriginOf(installation), cancellationToken);
        return
        [
            EvidenceItem.OfMessages(
                "access/reviews.json", "Access reviews", Paragraph,
                "Reviews of access that the range touches, the open one with how many principals are still to be attested. Of a closed one the signed result says of each principal who attested it and what became of it; access/reviews/key verifies it (docs/spec/access-review.md). Whether the list was the personnel office's, its SHA-256 says.",
                touched.Select(each => each.Review.ToMessage(ReviewCounts.Of(each.Everybody)))) with
            {
                Beside =
                [
                    .. touched.Where(each => each.Review.Note is not null).Select(each => new EvidenceFile($"access/reviews/{each.Review.IdText}.note", each.Review.Note!)),
                    new EvidenceFile(KeyName, Encoding.UTF8.GetBytes($"{key}\n")),
                ],
            },
            EvidenceItem.OfLines(
                "access/suspended.csv", "Suspended by access reviews", Paragraph,
                "Principals that lost their access in these reviews: by their manager's word, or at the deadline because nobody attested them.",
                SuspendedHeader, [.. touched.SelectMany(each => each.Everybody.Where(IsSuspended), (each, principal) => LineOf(each.Review, principal))]),
        ];
    }

    private static bool Touches(EvidenceRange range, AccessReviewRow review) =>
        review.StartTime < range.Until && (review.ClosedAt is not { } closed || UnixTime.FromNanoseconds(closed) >= range.From);

    private static bool IsSuspended(ReviewedPrincipal principal) => principal.Verdict is ReviewVerdict.Suspend or ReviewVerdict.SuspendedAtDeadline;

    private static string LineOf(AccessReviewRow review, ReviewedPrincipal principal) => CsvLine.Of(
        review.IdText, principal.Name, PrincipalTypes.NameOf(principal.Entry.Type), principal.Manager, ReviewFindings.NameOf(principal.Entry.Finding),
        ReviewVerdicts.NameOf(principal.Verdict), principal.Row?.DecidedBy ?? "", principal.DecideTime?.ToString("u", CultureInfo.InvariantCulture) ?? "", principal.Row?.Note ?? "");
}
