using System.Security.Cryptography;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Detection;
using KeyService.Server.Storage;

namespace KeyService.Server.AccessReviews;

/// <summary>
/// Ends a review at its time: suspends whom nobody attested, a block in each change, then has the result signed and closes it. Each step finds in the
/// store what the ones before did, so that a server that dies leaves the rest to the next one, and nothing is done twice.
/// </summary>
internal sealed class AccessReviewDeadline(
    AccessReviewCampaign campaign, AccessReviewTable reviews, AccessAdministration administration, ReviewSigner signer, IStore store, TimeProvider time)
{
    /// <summary>Does what is due now.</summary>
    /// <exception cref="Pipeline.Refusal">Somebody was first; what is left is done at the next look.</exception>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task StepAsync(CancellationToken cancellationToken)
    {
        while (await FindDueAsync(cancellationToken) is { } review)
        {
            var everybody = await store.ReadAsync(connection => campaign.EverybodyAsync(connection, review, cancellationToken), cancellationToken);
            if (!everybody.Any(each => each.IsPending))
            {
                await CloseAsync(cancellationToken);
                return;
            }

            if (!await SuspendAsync(review, cancellationToken))
            {
                return;
            }
        }
    }

    /// <summary>Says what a result is, for the record of its closing.</summary>
    public static string DetailOf(AccessReviewRow review, IReadOnlyList<ReviewedPrincipal> everybody)
    {
        var counts = everybody.GroupBy(each => each.Verdict).OrderBy(group => group.Key).Select(group => $"{group.Count()} {ReviewVerdicts.NameOf(group.Key)}");
        return $"review {review.IdText}: {string.Join(", ", counts)}; result {Convert.ToHexStringLower(SHA256.HashData(review.Note!))}";
    }

    private async Task<AccessReviewRow?> FindDueAsync(CancellationToken cancellationToken) =>
        await store.ReadAsync(connection => reviews.FindOpenAsync(connection, null, cancellationToken), cancellationToken) is { } review && review.DueTime <= time.GetUtcNow()
            ? review : null;

    private Task<bool> SuspendAsync(AccessReviewRow review, CancellationToken cancellationToken) => administration.InTurnAsync(
        async () =>
        {
            IReadOnlyList<ReviewedPrincipal> done = [];
            var record = new AuditRecordDraft(AuditEvent.AccessSuspendedAtDeadline) { Automated = true };
            await store.CommitAsync(
                record,
                async transaction =>
                {
                    done = await campaign.SuspendAsync(transaction, review.Id);
                    var kept = done.Where(each => each.Verdict == ReviewVerdict.KeptAsLastAdministrator).Select(each => each.Name).ToList();
                    record.ItemCount = done.Count - kept.Count;
                    record.Detail = $"review {review.IdText}: {string.Join(", ", done.Select(each => each.Name).Except(kept))}"
                        + (kept.Count == 0 ? "" : $"; kept, because nobody else could administer access: {string.Join(", ", kept)}");
                },
                CancellationToken.None);
            return done.Count > 0;
        },
        cancellationToken);

    private async Task CloseAsync(CancellationToken cancellationToken)
    {
        var installation = (await Installation.ReadAsync(store, cancellationToken))!.Id;
        if (await campaign.SignAsync(store, signer, by: null, time.GetUtcNow(), cancellationToken) is not { } signed)
        {
            return;
        }

        await administration.InTurnAsync(
            async () =>
            {
                var record = new AuditRecordDraft(AuditEvent.AccessReviewClosed) { Automated = true };
                return await store.CommitAsync(
                    record,
                    async transaction =>
                    {
                        var (review, everybody) = await campaign.CloseAsync(transaction, installation, signed, by: null);
                        record.ItemCount = everybody.Count;
                        record.Detail = DetailOf(review, everybody);
                    },
                    CancellationToken.None);
            },
            cancellationToken);
    }
}
