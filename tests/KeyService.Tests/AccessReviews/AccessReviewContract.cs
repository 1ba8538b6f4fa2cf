using KeyService.Crypto.AccessReviews;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.AccessReviews;

namespace KeyService.Tests.AccessReviews;

/// <summary>Reviews of access from their start to the signed result: held by SQLite and PostgreSQL alike.</summary>
internal sealed class AccessReviewContract(AccessReviewBed bed)
{
    public async Task CheckAsync()
    {
        await bed.RefusedAsync(Reason.InvalidArgument, () => bed.StartAsync(days: 0));
        await bed.RefusedAsync(Reason.InvalidArgument, () => bed.StartAsync(days: 91));
        await bed.RefusedAsync(Reason.NotFound, () => bed.AttestAsync("zoe"));

        var now = bed.Time.GetUtcNow();
        var (review, scope) = await bed.StartAsync(AccessReviewBed.Roster(
            new RosterLine("zoe", "dave", now - TimeSpan.FromDays(3)), new RosterLine("backup", "backup", null), new RosterLine("triage", "alice", null),
            new RosterLine("root-admin", "nobody", null), new RosterLine("gone", "dave", null)));
        Assert.Equal(
            [
                "alice person dave -", "backup service - manager-is-itself", "database service dave -", "dave person erin -", "erin person dave -",
                "root-admin person - manager-not-active", "triage ai-system - manager-started-review", "zoe person dave left",
            ],
            scope.ToString().Split('\n')[..^1]);
        Assert.Equal(review.Scope, ReviewScope.Parse(review.Scope).ToString());
        await bed.RefusedAsync(Reason.AlreadyExists, () => bed.StartAsync());

        // One's own is somebody else's, and so is what another one answers for.
        await bed.RefusedAsync(Reason.NotTheReviewer, () => bed.AttestAsync("dave", by: "dave"));
        await bed.RefusedAsync(Reason.NotTheReviewer, () => bed.AttestAsync("database", by: "erin"));
        await bed.RefusedAsync(Reason.NotTheReviewer, () => bed.AttestAsync("backup", by: "dave"));
        await bed.RefusedAsync(Reason.NotFound, () => bed.AttestAsync("gone"));

        // What is attested is what was seen.
        var seen = bed.DigestOf("database");
        await bed.GrantAsync("database", Permission.Reencrypt);
        await bed.RefusedAsync(Reason.AccessChanged, () => bed.AttestAsync("database", digest: seen));
        await bed.AttestAsync("database", note: "the EHR's own, Prüfung ok");
        Assert.Equal(ReviewVerdict.Keep, (await bed.ItemAsync("database")).Verdict);
        await bed.RefusedAsync(Reason.AccessReviewClosed, () => bed.AttestAsync("database", ReviewVerdict.Suspend, note: "on second thought"));
        await bed.RefusedAsync(Reason.AccessReviewClosed, () => bed.ReassignAsync("database", "erin"));

        // To suspend disables in the same change.
        await bed.AttestAsync("zoe", ReviewVerdict.Suspend, note: "left");
        Assert.True(bed.IsDisabled("zoe"));

        // An orphan is given to another person, and to nobody who could decide alone.
        await bed.RefusedAsync(Reason.InvalidArgument, () => bed.ReassignAsync("backup", "alice"));
        await bed.RefusedAsync(Reason.InvalidArgument, () => bed.ReassignAsync("backup", "root-admin", by: "root-admin"));
        await bed.RefusedAsync(Reason.InvalidArgument, () => bed.ReassignAsync("backup", "alice", by: "root-admin"));
        await bed.RefusedAsync(Reason.InvalidArgument, () => bed.ReassignAsync("backup", "database"));
        await bed.RefusedAsync(Reason.InvalidArgument, () => bed.ReassignAsync("root-admin", "root-admin"));
        await bed.RefusedAsync(Reason.InvalidArgument, () => bed.ReassignAsync("backup", "zoe"));
        await bed.ReassignAsync("backup", "dave");
        await bed.ReassignAsync("backup", "erin");
        await bed.RefusedAsync(Reason.NotTheReviewer, () => bed.AttestAsync("backup", by: "dave"));
        await bed.AttestAsync("backup", by: "erin");

        // Who is disabled otherwise needs nobody's word any more.
        await bed.DisableAsync("triage");
        await bed.RefusedAsync(Reason.AccessReviewClosed, () => bed.ReassignAsync("triage", "erin"));

        Assert.Contains("2 of 8", (await bed.RefusedAsync(Reason.ReviewIncomplete, async () =>
        {
            await bed.AttestOthersAsync("root-admin", "alice");
            return await bed.CloseAsync();
        })).Message, StringComparison.Ordinal);
        await bed.AttestAsync("alice");
        await bed.ReassignAsync("root-admin", "dave");
        await bed.AttestAsync("root-admin");

        var closed = await bed.CloseAsync();
        Assert.Equal(("alice", false), (closed.ClosedBy, closed.IsOpen));
        var result = await bed.ResultAsync();
        Assert.Equal(
            [
                "alice dave  keep", "backup erin manager-is-itself keep", "database dave  keep", "dave erin  keep", "erin dave  keep",
                "root-admin dave manager-not-active keep", "triage  manager-started-review disabled-meanwhile", "zoe dave left suspend",
            ],
            result.Entries.Select(each => $"{each.Principal} {each.Manager} {each.Finding} {each.Verdict}"));
        Assert.Equal("the EHR's own, Prüfung ok", result.Entries.Single(each => each.Principal == "database").Note);
        Assert.Equal((review.IdText, "alice", "alice"), (result.IdText, result.StartedBy, result.ClosedBy));
        Assert.True(result.RosterSha256.Span.SequenceEqual(AccessReviewBed.RosterSha256));

        await bed.RefusedAsync(Reason.NotFound, () => bed.AttestAsync("alice"));
        await bed.RefusedAsync(Reason.NotFound, () => bed.CloseAsync());
        await bed.StartAsync(by: "root-admin");
    }

    /// <summary>What nobody attested by then is suspended, but for who is needed to administer access.</summary>
    public async Task CheckDeadlineAsync()
    {
        await bed.StartAsync(AccessReviewBed.Roster(new RosterLine("backup", "", null)));
        await bed.AttestAsync("database");
        await bed.AttestAsync("dave", by: "erin");
        await bed.PassAsync();
        bed.Time.Advance(TimeSpan.FromSeconds(-1));
        await bed.StepAsync();
        Assert.False(bed.IsDisabled("zoe"));
        bed.Time.Advance(TimeSpan.FromSeconds(1));
        await bed.RefusedAsync(Reason.AccessReviewClosed, () => bed.AttestAsync("zoe"));
        await bed.RefusedAsync(Reason.AccessReviewClosed, () => bed.ReassignAsync("backup", "erin"));
        await bed.StepAsync();

        Assert.Equal(
            ["alice", "backup", "erin", "triage", "zoe"],
            bed.Register.Current.Principals.Values.Where(each => each.Disabled).Select(each => each.Name));
        var result = await bed.ResultAsync();
        Assert.Equal("", result.ClosedBy);
        Assert.Equal(
            [
                "alice suspended-at-deadline", "backup suspended-at-deadline", "database keep", "dave keep", "erin suspended-at-deadline",
                "root-admin kept-as-last-administrator", "triage suspended-at-deadline", "zoe suspended-at-deadline",
            ],
            result.Entries.Select(each => $"{each.Principal} {each.Verdict}"));
        Assert.Equal("no-manager", result.Entries.Single(each => each.Principal == "backup").Finding);
        var revision = (await bed.NewestAsync()).Revision;
        await bed.StepAsync();
        Assert.Equal(revision, (await bed.NewestAsync()).Revision);
    }

    /// <summary>A word that comes between the signature and the change that keeps it: the result would not have it.</summary>
    public async Task CheckChangedAsync()
    {
        await bed.StartAsync();
        await bed.AttestOthersAsync("zoe");
        var early = await SignAsync();
        Assert.Null(early!.Note);
        await bed.DisableAsync("zoe");
        var signed = await SignAsync();
        await bed.RefusedAsync(Reason.ReviewIncomplete, () => bed.CloseAsync(early));
        await bed.RefusedAsync(Reason.ReviewIncomplete, () => bed.CloseAsync(signed! with { Changes = signed.Changes - 1 }));
        await bed.RefusedAsync(Reason.ReviewIncomplete, () => bed.CloseAsync((SignedReview?)null));
        await bed.CloseAsync(signed);
        Assert.Equal(AccessReviewWords.DisabledMeanwhile, (await bed.ResultAsync()).Entries.Single(each => each.Principal == "zoe").Verdict);

        // One of before is none of the next review.
        await bed.StartAsync();
        await bed.RefusedAsync(Reason.ReviewIncomplete, () => bed.CloseAsync(signed));
    }

    private Task<SignedReview?> SignAsync() => bed.Campaign.SignAsync(bed.Store, bed.Signer, "alice", bed.Time.GetUtcNow(), CancellationToken.None);
}
