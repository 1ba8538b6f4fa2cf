using System.CommandLine;
using Google.Protobuf;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto.Approvals;

namespace KeyService.Cli.Approvals;

/// <summary><c>keyservice approval …</c></summary>
internal static class ApprovalCommands
{
    public static Command Create() => new(
        "approval", "Calls that wait for a quorum of officers: show, approve, reject, submit, resume, export, verify")
    {
        List(), Show(), Decide("approve", ApprovalDecision.Approve), Decide("reject", ApprovalDecision.Reject), Submit(), Resume(), Export(), Verify(),
    };

    private static Command List()
    {
        var all = new Option<bool>("--all") { Description = "Also those that ended" };
        return new Command("list", "List requests that wait for officers or for their requester") { all }.Runs(async run =>
        {
            using var client = run.Connect();
            await run.Report.WriteListAsync(
                client.Approvals.ListAsync(openOnly: !run.Get(all), run.Cancellation).Select(ApprovalRecords.Of), "No requests.",
                run.Cancellation).ConfigureAwait(false);
        });
    }

    private static Command Show()
    {
        var id = Id();
        return new Command("show", "Show what will happen, in words and field by field, and the digest that this command computes of it")
        {
            id,
        }.Runs(async run =>
        {
            using var client = run.Connect();
            var shown = await ShownRequest.FetchAsync(client, run.Get(id), run.Cancellation).ConfigureAwait(false);
            run.Report.Write(ApprovalRecords.Of(shown.Request, [new("state", EnumNames.Of(shown.Answer.Approval.State)),
                .. ApprovalRecords.Of(shown.Verdict)]));
        });
    }

    private static Command Decide(string name, ApprovalDecision decision)
    {
        var id = Id();
        var (key, descriptor, officer, yes) = (ApprovalOptions.Key(), ApprovalOptions.PassphraseDescriptor(), ApprovalOptions.Officer(),
            ApprovalOptions.Yes());
        var output = GlobalOptions.Output("Write the signed document there and do not send it");
        var requestId = GlobalOptions.RequestId();
        return new Command(name, $"Sign with the officer's own key that you {name} a request, and send it")
        {
            id, key, descriptor, officer, yes, output, requestId,
        }
            .WithNotes("""
                What is signed is the digest of the request that this command computed itself from the call's message, and shows. It is signed only when the
                key is the one that the roster has of the officer.
                """)
            .Runs(async run =>
            {
                using var client = run.Connect();
                var shown = await ShownRequest.FetchAsync(client, run.Get(id), run.Cancellation).ConfigureAwait(false);
                var who = run.Get(officer) ?? (await client.Access.WhoAmIAsync(run.Cancellation).ConfigureAwait(false)).Principal.Name;
                var known = shown.Roster.Find(who)
                    ?? throw new CliError(ExitCode.Refused, "NOT_AN_OFFICER", $"The request's roster has no officer {who}.",
                        "keyservice officer roster show lists them.");
                if (who == shown.Request.Requester)
                {
                    throw new CliError(ExitCode.Refused, "OWN_REQUEST", $"{who} asked for it, and nobody decides on an own request.",
                        "Another officer has to.");
                }
                using var signer = await OfficerKey.ReadAsync(run.Required(key), run.Get(descriptor), run.Cancellation).ConfigureAwait(false);
                if (!known.PublicKey.Span.SequenceEqual(signer.PublicKey))
                {
                    throw new CliError(ExitCode.Refused, "OTHER_KEY", $"The roster has another key of {who}.",
                        "Sign with the key that the roster names, or have a roster with this one installed.");
                }
                if (!run.Json)
                {
                    run.Report.Write(ApprovalRecords.Of(shown.Request));
                }
                ApprovalOptions.Confirm(run.Get(yes), $"{name} request {shown.Digest} as {who}?");
                var document = Approval.Sign(shown.Request.Digest, who, decision, TimeProvider.System.GetUtcNow(), signer.Sign);
                if (run.Get(output) is { } path)
                {
                    await WriteAsync(path, document.ToArray(), run.Cancellation).ConfigureAwait(false);
                    return;
                }
                run.Report.Write(ApprovalRecords.Of(await client.Approvals.DecideAsync(document.ToArray(), run.Get(requestId),
                    run.Cancellation).ConfigureAwait(false)));
            });
    }

    private static Command Submit()
    {
        var file = new Argument<string>("FILE") { Description = "What approval approve -o or reject -o wrote" };
        var requestId = GlobalOptions.RequestId();
        return new Command("submit", "Send a signed approval or rejection that was written to a file; anyone who may bring approvals can")
        {
            file, requestId,
        }.Runs(async run =>
        {
            var bytes = await InputFile.ReadSmallAsync(run.Get(file), Approval.MaxLength, run.Cancellation).ConfigureAwait(false);
            if (!Approval.TryParse(bytes, out _))
            {
                throw NotVerified("NOT_AN_APPROVAL", "The file is no signed approval.",
                    "Give the file that keyservice approval approve -o wrote, whole.");
            }
            using var client = run.Connect();
            run.Report.Write(ApprovalRecords.Of(await client.Approvals.DecideAsync(bytes, run.Get(requestId),
                run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command Resume()
    {
        var id = Id();
        return new Command("resume", "Make the call of a request again, now that a quorum approved it; its requester does") { id }.Runs(async run =>
        {
            using var client = run.Connect();
            var shown = await ShownRequest.FetchAsync(client, run.Get(id), run.Cancellation).ConfigureAwait(false);
            var answer = await client.Approvals.ResumeAsync(shown.Answer, run.Cancellation).ConfigureAwait(false);
            run.Report.WriteLine(
                new Record
                {
                    ["approval"] = shown.Answer.Approval.Id, ["method"] = shown.Request.Method, ["done"] = true,
                    ["answer"] = JsonFormatter.Default.Format(answer),
                },
                $"Done: {RequestWords.Of(shown.Request)}");
        });
    }

    private static Command Export()
    {
        var id = Id();
        var output = GlobalOptions.Output("Where to; else stdout");
        return new Command("export", "Write rosters, request and approvals into one file that anyone can verify") { id, output }.Runs(async run =>
        {
            using var client = run.Connect();
            var shown = await ShownRequest.FetchAsync(client, run.Get(id), run.Cancellation).ConfigureAwait(false);
            await WriteAsync(run.Get(output) ?? "-", shown.Export().ToArray(), run.Cancellation).ConfigureAwait(false);
        });
    }

    private static Command Verify()
    {
        var file = new Argument<string>("FILE") { Description = "What approval export wrote" };
        var first = new Option<string?>("--first-roster")
        {
            Description = "Hash of the first roster, as it was recorded when it was installed", HelpName = "HASH",
        };
        return new Command("verify", "Check an export with nothing but the file: was the request granted, and by whom; exit code 4 when it was not")
        {
            file, first,
        }
            .WithNotes("""
                What has to be trusted is the first roster. Give its hash with --first-roster as it was read aloud and recorded at its installation; without
                it the command prints the hash, and comparing is left to you.
                """)
            .Runs(async run =>
            {
                var bytes = await InputFile.ReadSmallAsync(run.Get(file), ApprovalExport.MaxLength, run.Cancellation).ConfigureAwait(false);
                if (!ApprovalExport.TryParse(bytes, out var export))
                {
                    throw NotVerified("NOT_AN_EXPORT", "The file is no export of an approval.",
                        "Give the file that keyservice approval export wrote, whole.");
                }
                var chain = RosterChain.Verify(export!.Rosters, out var finding, out var sequence)
                    ?? throw NotVerified("ROSTER_NOT_VERIFIED", $"Roster {sequence} does not follow: {ApprovalRecords.NameOf(finding.ToString())}.",
                        "Nothing that was approved under it counts.");
                var trusted = Convert.ToHexStringLower(chain.First.Hash);
                if (run.Get(first) is { } expected && !string.Equals(expected, trusted, StringComparison.OrdinalIgnoreCase))
                {
                    throw NotVerified("ROSTER_NOT_VERIFIED", $"The first roster is {trusted}, another one than was expected.",
                        "It is another installation's, or was made up: nothing of the file counts.");
                }
                var verdict = ApprovalVerdict.Of(export.Request, chain, export.Approvals);
                run.Report.Write(ApprovalRecords.Of(
                    export.Request, [.. ApprovalRecords.Of(verdict), new("first_roster", trusted),
                    new("first_roster_compared", run.Get(first) is not null)]));
                return verdict.Finding == VerdictFinding.Granted ? ExitCode.Ok : ExitCode.NotVerified;
            });
    }

    internal static async Task WriteAsync(string path, byte[] bytes, CancellationToken cancellation, bool force = false)
    {
        using var output = OutputFile.Create(path, force || path == "-");
        await output.Stream.WriteAsync(bytes, cancellation).ConfigureAwait(false);
        output.Commit();
    }

    private static CliError NotVerified(string reason, string message, string advice) => new(ExitCode.NotVerified, reason, message, advice);

    private static Argument<string> Id() => new("ID") { Description = "Id of the approval, 16 hexadecimal digits" };
}
