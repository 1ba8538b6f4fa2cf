using System.CommandLine;
using KeyService.Cli.Access;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.AccessReviews;

/// <summary><c>keyservice access review …</c></summary>
internal static class AccessReviewCommands
{
    public static Command Create() => new("review", "Have managers attest what everybody may do, and keep the signed result")
    {
        Start(), List(), Show(), AccessReviewAttestCommand.Create(), Reassign(), Close(), AccessReviewResultCommands.Result(), AccessReviewResultCommands.Verify(),
    };

    private static Command Start()
    {
        var roster = new Argument<string>("ROSTER") { Description = "CSV of the personnel office: principal,manager,left" };
        var due = new Option<string>("--due")
        {
            Description = "When it ends and suspends whom nobody attested: 14d, or a time such as 2027-01-31T17:00:00Z; 1 to 90 days ahead", HelpName = "WHEN", Required = true,
        };
        var requestId = GlobalOptions.RequestId();
        return new Command("start", "Begin a review of every active principal against the personnel office's list") { roster, due, requestId }.WithNotes("""
            Each principal is attested by the manager whom the list names, an active person other than itself and than you. Who is not on the list, or has no
            such manager, is an orphan: give it to somebody. What nobody attested is disabled when the review ends, databases and backup jobs too; keyservice
            alarms tells a week before.
            """).Runs(async run =>
        {
            var listed = PersonnelRoster.Load(run.Get(roster), out var sha256);
            var end = GrantCommands.ParseEnd(run.Required(due), TimeProvider.System.GetUtcNow());
            var entries = listed.Select(entry => new AccessRosterEntry
            {
                Principal = entry.Principal, Manager = entry.Manager,
                LeftTime = entry.LeftTime is { } left ? Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(left) : null,
            });
            using var client = run.Connect();
            var started = await client.AccessReviews.StartAsync(entries, sha256, end, run.Get(requestId), run.Cancellation).ConfigureAwait(false);
            var record = AccessReviewRecords.Of(started.Review);
            record["orphan_principals"] = started.Orphans.ToList();
            record["not_active"] = started.NotActive.ToList();
            record["managers_without_permission"] = started.ManagersWithoutPermission.ToList();
            run.Report.Write(record);
            Say(run, "Managers look and attest: keyservice access review show --mine, then keyservice access review attest NAME --keep or --suspend.");
            Say(run, started.Orphans.Count > 0, "Nobody can attest the orphans: keyservice access review reassign NAME --to PERSON --reason TEXT.");
            Say(run, started.ManagersWithoutPermission.Count > 0, "Managers without the permission: keyservice grant create NAME --key '*' --permissions attest-access.");
        });
    }

    private static Command List() => new Command("list", "Show all reviews, the newest first, and the key that verifies their results").Runs(async run =>
    {
        using var client = run.Connect();
        var all = await client.AccessReviews.ListAsync(run.Cancellation).ConfigureAwait(false);
        await run.Report.WriteListAsync(all.Reviews.Select(AccessReviewRecords.Of).ToAsyncEnumerable(), "No access review was started.", run.Cancellation).ConfigureAwait(false);
        if (!run.Json)
        {
            run.Report.WriteText($"Verifier key: {all.VerifierKey}\n");
        }
    });

    private static Command Show()
    {
        var id = new Argument<string?>("ID") { Description = "Id of the review, 16 hexadecimal digits; the newest when left out", Arity = ArgumentArity.ZeroOrOne };
        var mine = new Option<bool>("--mine") { Description = "Only what is yours to attest, of the open review" };
        var pending = new Option<bool>("--pending") { Description = "Only what nobody attested yet" };
        return new Command("show", "Show what a review has of each principal, and what it may do: what is to be attested, and what was kept and is still the same") { id, mine, pending }.Runs(async run =>
        {
            if (run.Get(mine) && run.Get(id) is not null)
            {
                throw CliError.Usage("--mine is of the open review.", "Leave the id away, or --mine.");
            }
            using var client = run.Connect();
            var items = run.Get(mine)
                ? client.AccessReviews.OwnItemsAsync(run.Get(pending), run.Cancellation)
                : client.AccessReviews.ItemsAsync(run.Get(id), run.Get(pending), run.Cancellation);
            await run.Report.WriteListAsync(items.Select(AccessReviewRecords.Of), "Nothing to show.", run.Cancellation).ConfigureAwait(false);
        });
    }

    private static Command Reassign()
    {
        var principal = new Argument<string>("PRINCIPAL") { Description = "Whose access is to be attested" };
        var to = new Option<string>("--to") { Description = "An active person: not the principal, not you, not who started the review", HelpName = "NAME", Required = true };
        var reason = new Option<string>("--reason") { Description = "Why; it is on record", HelpName = "TEXT", Required = true };
        var requestId = GlobalOptions.RequestId();
        return new Command("reassign", "Give what nobody attested yet to another manager, orphans too") { principal, to, reason, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            var given = await client.AccessReviews.ReassignAsync(
                run.Get(principal), run.Required(to), run.Required(reason), run.Get(requestId), run.Cancellation).ConfigureAwait(false);
            var record = AccessReviewRecords.Of(given.Item);
            record["manager_without_permission"] = given.ManagerWithoutPermission;
            run.Report.Write(record);
            Say(run, given.ManagerWithoutPermission, $"{given.Item.Manager} lacks the permission: keyservice grant create {given.Item.Manager} --key '*' --permissions attest-access.");
        });
    }

    private static Command Close()
    {
        var requestId = GlobalOptions.RequestId();
        return new Command("close", "End the open review before its time, when everybody is attested; the HSM signs the result") { requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(AccessReviewRecords.Of(await client.AccessReviews.CloseAsync(run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
            Say(run, "Keep the result: keyservice access review result --output FILE.");
        });
    }

    /// <summary>What to do next, for people.</summary>
    internal static void Say(Invocation run, string next) => Say(run, true, next);

    private static void Say(Invocation run, bool when, string next)
    {
        if (when && !run.Json && !run.Quiet)
        {
            Console.Error.WriteLine(Terminal.Printable(next));
        }
    }
}
