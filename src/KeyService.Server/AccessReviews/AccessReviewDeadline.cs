using System.Security.Cryptography;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Detection;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.AccessReviews;

/// <summary>
/// Ends a review at its time: suspends whom nobody attested, a block in each change, then has the result signed and closes it. Each step finds in the
/// store what the ones before did, so that a server that dies leaves the rest to the next one, and nothing is done twice. Nobody is suspended whose
/// managers were not told before, nor by a clock that jumped or was set back, nor by a database that was put back: ADR 0264.
/// </summary>
internal sealed class AccessReviewDeadline(
    AccessReviewCampaign campaign, AccessReviewTable reviews, AccessAdministration administration, ReviewSigner signer, IStore store, RowAuthenticator rows,
    ProtectionGate gate, ClockGuard clock, TimeProvider time)
{
    private (long Review, long Timestamp)? _endedSince;

    /// <summary>
    /// So long a review must be found to have ended before anybody is suspended, by the machine's own count of seconds: a jump of the clock is noticed sooner.
    /// </summary>
    public TimeSpan Settles { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Does what is due now; nobody is suspended by the first call.</summary>
    /// <exception cref="Pipeline.Refusal">Somebody was first; what is left is done at the next look.</exception>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task StepAsync(CancellationToken cancellationToken)
    {
        while (gate.IsOpen && !clock.PaceOfBacklog)
        {
            var (review, restored) = await store.ReadAsync(
                async connection => (await reviews.FindOpenAsync(connection, null, cancellationToken), await StoreAcceptance.LastRestoreAsync(connection, rows, cancellationToken)),
                cancellationToken);
            var now = time.GetUtcNow();
            // What was told before a database was put back was told of another state of it.
            var isTold = review?.LastAnnounceTime is { } told && !(told < restored);
            if (review is null || now < (isTold ? review.DueTime : review.AnnounceTime))
            {
                _endedSince = null;
                return;
            }

            var everybody = await store.ReadAsync(connection => campaign.EverybodyAsync(connection, review, cancellationToken), cancellationToken);
            var pending = everybody.Where(each => each.IsPending).Select(each => each.Name).ToList();
            if (pending.Count == 0)
            {
                if (now >= review.DueTime)
                {
                    await CloseAsync(cancellationToken);
                }

                return;
            }

            if (!isTold)
            {
                await AnnounceAsync(review, cancellationToken);
                return;
            }

            if (!HasEnded(review, now))
            {
                return;
            }

            foreach (var block in pending.Chunk(AccessReviewCampaign.SuspendedAtOnce))
            {
                if (!await SuspendAsync(review, block, cancellationToken))
                {
                    return;
                }
            }
        }
    }

    /// <summary>Says what a result is, for the record of its closing.</summary>
    public static string DetailOf(AccessReviewRow review, IReadOnlyList<ReviewedPrincipal> everybody)
    {
        var counts = everybody.GroupBy(each => each.Verdict).OrderBy(group => group.Key).Select(group => $"{group.Count()} {ReviewVerdicts.NameOf(group.Key)}");
        return $"review {review.IdText}: {string.Join(", ", counts)}; result {Convert.ToHexStringLower(SHA256.HashData(review.Note!))}";
    }

    private bool HasEnded(AccessReviewRow review, DateTimeOffset now)
    {
        if (!(review.EndTime <= now))
        {
            _endedSince = null;
            return false;
        }

        if (_endedSince?.Review != review.Id)
        {
            _endedSince = (review.Id, time.GetTimestamp());
        }

        return time.GetElapsedTime(_endedSince.Value.Timestamp) >= Settles;
    }

    private async Task AnnounceAsync(AccessReviewRow review, CancellationToken cancellationToken)
    {
        var record = new AuditRecordDraft(AuditEvent.AccessReviewAnnounced) { Automated = true };
        await store.CommitAsync(
            record,
            async transaction =>
            {
                var pending = await campaign.AnnounceAsync(transaction, review.Id) ?? [];
                record.ItemCount = pending.Count;
                record.Detail = $"review {review.IdText}, due {AccessReviewCampaign.TextOf(review.DueTime)}: not attested are {string.Join(", ", pending.Select(each => each.Name))}";
            },
            cancellationToken);
    }

    private Task<bool> SuspendAsync(AccessReviewRow review, IReadOnlyList<string> names, CancellationToken cancellationToken) => administration.InTurnAsync(
        async () =>
        {
            IReadOnlyList<ReviewedPrincipal> done = [];
            var record = new AuditRecordDraft(AuditEvent.AccessSuspendedAtDeadline) { Automated = true };
            await store.CommitAsync(
                record,
                async transaction =>
                {
                    done = await campaign.SuspendAsync(transaction, review.Id, names);
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
                        var review = await campaign.CloseAsync(transaction, signed);
                        record.ItemCount = signed.Everybody.Count;
                        record.Detail = DetailOf(review, signed.Everybody);
                    },
                    CancellationToken.None);
            },
            cancellationToken);
    }
}
