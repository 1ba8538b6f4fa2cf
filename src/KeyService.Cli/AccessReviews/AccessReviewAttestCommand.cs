using System.CommandLine;
using Google.Protobuf;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.AccessReviews;

/// <summary><c>keyservice access review attest</c>: shows what a principal holds, and sends the digest of just that.</summary>
internal static class AccessReviewAttestCommand
{
    private const int DigestLength = 32;

    public static Command Create()
    {
        var principal = new Argument<string>("PRINCIPAL") { Description = "Whose access, of those whom the review gives to you" };
        var keep = new Option<bool>("--keep") { Description = "It keeps what is shown" };
        var suspend = new Option<bool>("--suspend") { Description = "It is disabled at once, for good; needs --note" };
        var note = new Option<string>("--note") { Description = "Why; it stands in the signed result. No patient data", HelpName = "TEXT", DefaultValueFactory = _ => "" };
        var access = new Option<string?>("--access")
        {
            Description = "Digest of what you saw, from show --mine --json, where nobody is there to be asked", HelpName = "HEX",
        };
        var requestId = GlobalOptions.RequestId();
        return new Command("attest", "Say whether a principal keeps what it holds, or is disabled; never of yourself") { principal, keep, suspend, note, access, requestId }.WithNotes("""
            Shows the grants, and asks. What is attested is exactly what is shown: when something is granted or taken back meanwhile, it is refused, and you look again.
            """).Runs(async run =>
        {
            if (run.Get(keep) == run.Get(suspend))
            {
                throw CliError.Usage("An attestation says one of two things.", "Give --keep or --suspend.");
            }
            if (run.Get(suspend) && run.Required(note).Length == 0)
            {
                throw CliError.Usage("Whoever is suspended is told why.", "Give --note TEXT.");
            }
            var (name, verdict) = (run.Get(principal), run.Get(suspend) ? AccessReviewVerdict.Suspend : AccessReviewVerdict.Keep);
            using var client = run.Connect();
            AccessReviewItem item;
            if (run.Get(access) is { } hex)
            {
                item = new AccessReviewItem { Principal = name, AccessDigest = DigestOf(hex) };
            }
            else
            {
                item = await client.AccessReviews.OwnItemsAsync(cancellation: run.Cancellation).FirstOrDefaultAsync(each => each.Principal == name, run.Cancellation).ConfigureAwait(false)
                    ?? throw new CliError(ExitCode.Conflict, "NOT_FOUND", $"The open review does not give {name} to you.", "keyservice access review show --mine lists what is yours.");
                Confirm(item, verdict);
            }
            run.Report.Write(AccessReviewRecords.Of(
                await client.AccessReviews.AttestAsync(item, verdict, run.Required(note), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    // What is sent is the digest of the item that is printed here.
    private static void Confirm(AccessReviewItem item, AccessReviewVerdict verdict)
    {
        if (Console.IsInputRedirected)
        {
            throw CliError.Usage("Nobody is there to be asked.", "Look first (keyservice access review show --mine --json), and give --access with what it says of the principal.");
        }
        var grants = item.Grants.Select(Access.AccessRecords.Of).ToList();
        Console.Error.Write(grants.Count == 0 ? $"{item.Principal} holds no grant.\n" : PlainTable.Format(grants));
        var question = verdict == AccessReviewVerdict.Keep ? $"{item.Principal} keeps this?" : $"{item.Principal} is disabled at once, for good?";
        Console.Error.Write($"{Terminal.Printable(question)} [yes/no] ");
        if (Console.ReadLine()?.Trim() != "yes")
        {
            throw new CliError(ExitCode.Interrupted, "INTERRUPTED", "Nothing was attested.", "Answer yes to attest.");
        }
    }

    private static ByteString DigestOf(string hex) => hex.Length == 2 * DigestLength && hex.All(char.IsAsciiHexDigit)
        ? ByteString.CopyFrom(Convert.FromHexString(hex))
        : throw CliError.Usage("--access is 64 hexadecimal digits.", "keyservice access review show --mine --json says it of each principal.");
}
