using System.CommandLine;
using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Cli.BreakGlass;

/// <summary><c>keyservice break-glass …</c></summary>
internal static class BreakGlassCommands
{
    private const int GroupLength = 5;

    private static readonly Dictionary<string, BreakGlassVerdict> Verdicts = new(StringComparer.Ordinal)
    {
        ["justified"] = BreakGlassVerdict.Justified,
        ["not-justified"] = BreakGlassVerdict.NotJustified,
    };

    public static Command Create() =>
        new("break-glass", "Emergency access: open, confirm, end, review, seal") { Open(), Confirm(), End(), List(), Review(), Seal() };

    private static Command Open()
    {
        var reason = new Option<string>("--reason") { Description = "Why, for the record and the alarm; no patient data", HelpName = "TEXT", Required = true };
        var envelopes = new Option<bool>("--sealed") { Description = "With the codes of both envelopes, without a second person and without a session" };
        var requestId = GlobalOptions.RequestId();
        return new Command("open", "Ask for emergency access; a second person confirms") { reason, envelopes, requestId }.Runs(async run =>
        {
            if (!run.Get(envelopes))
            {
                using var client = run.Connect();
                run.Report.Write(Of(await client.BreakGlass.AskAsync(run.Required(reason), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
                return;
            }
            var (first, second) = EnvelopePrompt.Read();
            try
            {
                using var client = run.ConnectWithoutSession();
                run.Report.Write(Of(await client.BreakGlass.OpenSealedAsync(run.Required(reason), first, second, run.Cancellation).ConfigureAwait(false)));
            }
            finally
            {
                CryptographicOperations.ZeroMemory(first);
                CryptographicOperations.ZeroMemory(second);
            }
        }).WithNotes("""
            Shows an id; another person confirms it within 15 minutes (keyservice break-glass confirm ID). It is open for 60
            minutes, and reviewed afterwards. With --sealed the two codes are asked for on the terminal, or read from the
            first two lines of stdin.
            """);
    }

    private static Command Confirm()
    {
        var id = Id();
        var requestId = GlobalOptions.RequestId();
        return new Command("confirm", "Confirm what another person asked for: it is open from now on") { id, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(Of(await client.BreakGlass.ConfirmAsync(run.Get(id), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command End()
    {
        var id = Id();
        var requestId = GlobalOptions.RequestId();
        return new Command("end", "End your own before its time") { id, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(Of(await client.BreakGlass.EndAsync(run.Get(id), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command List() => new Command("list", "List every use there was, the latest first").Runs(async run =>
    {
        using var client = run.Connect();
        var answer = await client.BreakGlass.ListAsync(run.Cancellation).ConfigureAwait(false);
        await run.Report.WriteListAsync(answer.Uses.Select(Of).ToAsyncEnumerable(), "Break-glass was never used.", run.Cancellation).ConfigureAwait(false);
        if (!run.Json && !run.Quiet)
        {
            await Console.Error.WriteLineAsync(answer.EnvelopesMadeTime is { } made
                ? $"The sealed envelopes were made {Record.Time(made.ToDateTimeOffset())}."
                : "There are no sealed envelopes that open anything; make some with keyservice break-glass seal.").ConfigureAwait(false);
        }
    });

    private static Command Review()
    {
        var id = Id();
        var verdict = new Option<string>("--verdict") { Description = "justified or not-justified", HelpName = "VERDICT", Required = true };
        verdict.AcceptOnlyFromAmong([.. Verdicts.Keys]);
        var note = new Option<string>("--note") { Description = "What you found; no patient data", HelpName = "TEXT", Required = true };
        var requestId = GlobalOptions.RequestId();
        return new Command("review", "Review one that is over; you had no part in it") { id, verdict, note, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(Of(await client.BreakGlass.ReviewAsync(
                run.Get(id), Verdicts[run.Required(verdict)], run.Required(note), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command Seal() => new Command("seal", "Make two codes for two envelopes, shown this once").Runs(async run =>
    {
        using var client = run.Connect();
        using var codes = await client.BreakGlass.SealAsync(run.Cancellation).ConfigureAwait(false);
        // Past the report: a code goes from locked memory to stdout and nowhere else.
        using var output = Console.OpenStandardOutput();
        Write(output, "First holder:  "u8, codes.First);
        Write(output, "Second holder: "u8, codes.Second);
    }).WithNotes("""
        Print each line on a page of its own, seal it in an envelope, and give it to its holder; the two never know both.
        The codes before these open nothing any more.
        """);

    private static void Write(Stream output, ReadOnlySpan<byte> holder, SecretBuffer code)
    {
        output.Write(holder);
        for (var at = 0; at < code.Length; at += GroupLength)
        {
            output.Write(at == 0 ? ""u8 : "-"u8);
            output.Write(code.DangerousSpan[at..Math.Min(at + GroupLength, code.Length)]);
        }
        output.Write("\n"u8);
    }

    private static Argument<string> Id() => new("ID") { Description = "Id of the break-glass, 16 hexadecimal digits" };

    private static Record Of(BreakGlassUse use) => new Record
    {
        ["id"] = use.Id,
        ["principal"] = use.Principal,
        ["state"] = EnumNames.Of(use.State),
        ["reason"] = use.Reason,
        ["confirmed_by"] = use.ConfirmedBy,
        ["open_time"] = Times.Of(use.OpenTime),
        ["end_time"] = Times.Of(use.EndTime),
        ["verdict"] = use.Verdict == BreakGlassVerdict.Unspecified ? null : EnumNames.Of(use.Verdict),
    }
    .Detail("sealed", use.Sealed)
    .Detail("ask_time", Times.Of(use.AskTime))
    .Detail("reviewed_by", use.ReviewedBy)
    .Detail("review_time", Times.Of(use.ReviewTime))
    .Detail("note", use.Note)
    .Detail("revision", use.Revision);
}
