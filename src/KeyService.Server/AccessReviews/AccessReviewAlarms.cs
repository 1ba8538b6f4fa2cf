using System.Globalization;
using KeyService.Crypto.AccessReviews;
using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.AccessReviews;

/// <summary>
/// Alarms of what waits for people: a review that will suspend somebody soon, one that does not end or was never made, an administrator whom nobody
/// attested. Judged from the tables as a whole, so that whatever was missed is made up for.
/// </summary>
internal sealed class AccessReviewAlarms(
    AccessReviewConfiguration configuration, AccessReviewCampaign campaign, AccessReviewTable reviews, IStore store, AlarmOutlet alarms, TimeProvider time)
{
    private const string Access = "access";

    /// <summary>A review is closed within a minute of its time; later than this something keeps it from that.</summary>
    private static readonly TimeSpan ClosingTakes = TimeSpan.FromMinutes(15);

    public async Task LookAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var installed = (await Installation.ReadAsync(store, cancellationToken))!.CreateTime;
        var (open, pending, closed, kept) = await store.ReadAsync(
            async connection =>
            {
                var all = await reviews.ListAsync(connection, null, cancellationToken);
                var open = all.FirstOrDefault(each => each.IsOpen);
                var closed = all.Where(each => !each.IsOpen).MaxBy(each => each.ClosedAt);
                // Before then nobody is told of, and the rows of all items are many.
                var everybody = open is null || now < open.AnnounceTime ? [] : await campaign.EverybodyAsync(connection, open, cancellationToken);
                var kept = closed?.Result.Entries.Where(each => each.Verdict == AccessReviewWords.KeptAsLastAdministrator).Select(each => each.Principal);
                return (open, everybody.Where(each => each.IsPending).ToList(), closed, kept?.ToList() ?? []);
            },
            cancellationToken);

        await JudgeAsync(AlarmKind.AccessReviewDue, open is null || pending.Count == 0 ? [] : Due(open, pending), cancellationToken);
        await JudgeAsync(AlarmKind.AccessReviewOverdue, Overdue(now, open, closed is null ? installed : UnixTime.FromNanoseconds(closed.ClosedAt!.Value), closed is null), cancellationToken);
        await JudgeAsync(
            AlarmKind.AdministratorNotAttested,
            kept.Where(campaign.IsActive).ToDictionary(
                each => each,
                each => $"Nobody attested {each} in the access review {closed!.IdText}, and it was not disabled because nobody else could administer access."),
            cancellationToken);
    }

    private static Dictionary<string, string> Due(AccessReviewRow open, List<ReviewedPrincipal> pending)
    {
        var managers = pending.Where(each => each.HasManager).Select(each => each.Manager).Distinct().ToList();
        var orphans = pending.Where(each => each.IsOrphan).ToList();
        return new()
        {
            [open.IdText] = string.Create(
                CultureInfo.InvariantCulture,
                $"{pending.Count} principals are disabled {AccessReviewCampaign.TextOf(open.EndTime ?? open.DueTime)} unless they are attested: {AccessReviewCampaign.Names(pending.Select(each => each.Name))}.")
                + (managers.Count == 0 ? "" : $" Managers who are asked: {AccessReviewCampaign.Names(managers)}.")
                + (orphans.Count == 0 ? "" : $" Without a manager: {AccessReviewCampaign.Names(orphans.Select(each => each.Name))}."),
        };
    }

    private Dictionary<string, string> Overdue(DateTimeOffset now, AccessReviewRow? open, DateTimeOffset last, bool never)
    {
        var overdue = new Dictionary<string, string>();
        if (configuration.Every > TimeSpan.Zero && now - last > configuration.Every)
        {
            overdue[Access] = string.Create(
                CultureInfo.InvariantCulture,
                $"No review of access was closed since {AccessReviewCampaign.TextOf(last)}{(never ? ", when this installation was made" : "")}; one is due every {configuration.Every.TotalDays:0} days.");
        }

        // One that was not told of yet waits for that, and for a clock and a database that are believed.
        if (open is not null && now - (open.EndTime ?? open.DueTime) > ClosingTakes)
        {
            overdue[open.IdText] = $"The access review {open.IdText} was due {AccessReviewCampaign.TextOf(open.DueTime)} and could not be closed yet.";
        }

        return overdue;
    }

    private async Task JudgeAsync(AlarmKind kind, Dictionary<string, string> standing, CancellationToken cancellationToken)
    {
        foreach (var (subject, message) in standing)
        {
            await alarms.RaiseAsync(kind, subject, message, cancellationToken);
        }

        foreach (var over in (await alarms.StandingAsync(kind, cancellationToken) ?? []).Except(standing.Keys))
        {
            await alarms.ClearAsync(kind, over, cancellationToken);
        }
    }
}
