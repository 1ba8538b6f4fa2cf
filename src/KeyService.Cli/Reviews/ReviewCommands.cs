using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Reviews;

/// <summary><c>keyservice review …</c></summary>
internal static class ReviewCommands
{
    public static Command Create() => new("review", "Look at what was found in the audit log, say what it was, and sign months off")
    {
        List(), Show(), Assign(), Close(), SignOff(), SignOffs(),
    };

    private static Argument<string> Id() => new("ID") { Description = "Id of the finding, 16 hexadecimal digits" };

    private static Command List()
    {
        var all = new Option<bool>("--all") { Description = "Closed ones too" };
        var rule = new Option<string?>("--rule") { Description = "Only of one rule, for example bulk-export", HelpName = "RULE" };
        return new Command("list", "Show findings that nobody has closed, the newest first") { all, rule }.Runs(async run =>
        {
            using var client = run.Connect();
            var shown = 0;
            await foreach (var finding in client.Reviews.ListAsync(run.Get(all), run.Get(rule), run.Cancellation).ConfigureAwait(false))
            {
                shown++;
                run.Report.WriteLine(ReviewRecords.Of(finding), ReviewRecords.Line(finding));
            }

            if (shown == 0 && !run.Json)
            {
                run.Report.WriteText("No findings.\n");
            }
        });
    }

    private static Command Show()
    {
        var id = Id();
        return new Command("show", "Show one finding") { id }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(ReviewRecords.Of(await client.Reviews.GetAsync(run.Get(id), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command Assign()
    {
        var id = Id();
        var to = new Option<string>("--to") { Description = "Name of the principal that looks into it", HelpName = "NAME", Required = true };
        var requestId = GlobalOptions.RequestId();
        return new Command("assign", "Say who looks into a finding") { id, to, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(ReviewRecords.Of(
                await client.Reviews.AssignAsync(run.Get(id), run.Required(to), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command Close()
    {
        var id = Id();
        var names = System.Enum.GetValues<FindingDisposition>().Skip(1).Select(EnumNames.Of).ToList();
        var disposition = new Option<string>("--disposition")
        {
            Description = $"What it turned out to be: {string.Join(", ", names)}", HelpName = "NAME", Required = true,
        };
        disposition.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !names.Contains(result.Tokens[0].Value))
            {
                result.AddError($"--disposition is one of {string.Join(", ", names)}.");
            }
        });
        var note = new Option<string>("--note") { Description = "What was found out; no patient data", HelpName = "TEXT", Required = true };
        var requestId = GlobalOptions.RequestId();
        return new Command("close", "Say what a finding turned out to be; never of one about yourself") { id, disposition, note, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            var chosen = System.Enum.GetValues<FindingDisposition>().Single(each => EnumNames.Of(each) == run.Required(disposition));
            run.Report.Write(ReviewRecords.Of(
                await client.Reviews.CloseAsync(run.Get(id), chosen, run.Required(note), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command SignOff()
    {
        var month = new Argument<string>("MONTH") { Description = "A month that is over, for example 2026-11" };
        var requestId = GlobalOptions.RequestId();
        return new Command("sign-off", "Sign off a month whose findings are all closed, as the person you are; the HSM signs") { month, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(ReviewRecords.Of(await client.Reviews.SignOffAsync(run.Get(month), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command SignOffs() => new Command("sign-offs", "Show the months that were signed off, the latest first, with their signed notes").Runs(async run =>
    {
        using var client = run.Connect();
        var signed = await client.Reviews.SignOffsAsync(run.Cancellation).ConfigureAwait(false);
        foreach (var each in signed.SignOffs)
        {
            run.Report.WriteLine(ReviewRecords.Of(each), ReviewRecords.Line(each));
        }

        if (!run.Json)
        {
            run.Report.WriteText(signed.SignOffs.Count == 0 ? "No month was signed off.\n" : $"Verifier key: {signed.VerifierKey}\n");
        }
    });
}
