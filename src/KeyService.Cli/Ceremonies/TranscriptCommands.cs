using System.CommandLine;
using System.Security.Cryptography;
using KeyService.Cli.Approvals;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.IO;

namespace KeyService.Cli.Ceremonies;

/// <summary>Commands on a transcript, which need nothing but the file.</summary>
internal static class TranscriptCommands
{
    public static Command Verify()
    {
        var path = File();
        var signers = new KnownSigners.Options();
        var command = new Command("verify", "Verify a transcript with nothing but the file: chain, steps, roles, signatures; exit code 4 when something is wrong") { path };
        signers.AddTo(command);
        return command.WithNotes("""
            A signature proves that a key signed. Whose key it is, you say: with --hsm-key, --key and --roster. Keys that nobody was compared with are listed as
            "not compared".
            """).Runs(async run =>
        {
            var transcript = await ReadAsync(run.Get(path), run.Cancellation).ConfigureAwait(false);
            var known = await signers.ReadAsync(run).ConfigureAwait(false);
            var contradictions = known.Contradictions(transcript);
            var record = TranscriptRecords.Of(transcript, run.Get(path));
            record["keys"] = transcript.Signatures.Select(each => $"{KnownSigners.Id(each)}: {Convert.ToHexStringLower(SHA256.HashData(each.PublicKey.Span))}").ToList();
            record["compared"] = transcript.Signatures.Where(each => known.Knows(each) && !known.IsOther(each)).Select(KnownSigners.Id).ToList();
            record["not_compared"] = transcript.Signatures.Where(each => !known.Knows(each)).Select(KnownSigners.Id).ToList();
            record["other_keys"] = contradictions;
            run.Report.Write(record);
            return TranscriptVerdict.Of(transcript).Findings.Count == 0 && contradictions.Count == 0 ? ExitCode.Ok : ExitCode.NotVerified;
        });
    }

    public static Command Sign()
    {
        var path = File();
        var name = new Option<string>("--as") { Description = "Who signs, by the name in the transcript", HelpName = "NAME", Required = true };
        var (key, descriptor, yes) = (ApprovalOptions.Key(), ApprovalOptions.PassphraseDescriptor(), ApprovalOptions.Yes());
        return new Command("sign", "Sign a transcript that has ended, as somebody who took part; the file gets the signature") { path, name, key, descriptor, yes }.Runs(async run =>
        {
            var transcript = await ReadAsync(run.Get(path), run.Cancellation).ConfigureAwait(false);
            var signer = run.Required(name);
            if (!transcript.HasEnded)
            {
                throw new CliError(ExitCode.Conflict, "NOT_ENDED", "The ceremony has not ended.", "Go on with keyservice ceremony resume.");
            }
            if (!TranscriptVerdict.Of(transcript).Roles.ContainsKey(signer))
            {
                throw new CliError(ExitCode.Refused, "NOT_THERE", $"{signer} did not take part.", "Give the name as it stands in the transcript: keyservice ceremony show FILE.");
            }
            run.Report.Write(TranscriptRecords.Of(transcript, run.Get(path)));
            ApprovalOptions.Confirm(run.Get(yes), $"Sign this transcript, last hash {Convert.ToHexStringLower(transcript.Head.Span)}, as {signer}?");
            using var own = await OfficerKey.ReadAsync(run.Required(key), run.Get(descriptor), run.Cancellation).ConfigureAwait(false);
            DurableFile.WriteAllBytes(run.Get(path), transcript.Sign(isHsm: false, signer, own.PublicKey, own.Sign).ToArray(), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        });
    }

    public static Command Show()
    {
        var path = File();
        return new Command("show", "Show a transcript, an entry a line") { path }.Runs(async run =>
        {
            var transcript = await ReadAsync(run.Get(path), run.Cancellation).ConfigureAwait(false);
            await run.Report.WriteListAsync(transcript.Entries.Select(entry => new Record
            {
                ["time"] = entry.Time, ["type"] = entry.Type.ToString().ToLowerInvariant(), ["subject"] = entry.Subject, ["text"] = entry.Text,
            }).ToAsyncEnumerable(), "No entries.", run.Cancellation).ConfigureAwait(false);
        });
    }

    internal static async Task<Transcript> ReadAsync(string path, CancellationToken cancellation) =>
        Parse(await InputFile.ReadSmallAsync(path, Transcript.MaxLength, cancellation).ConfigureAwait(false), path);

    internal static Transcript Parse(byte[] bytes, string path) => Transcript.TryParse(bytes, out var transcript)
            ? transcript!
            : throw new CliError(ExitCode.NotVerified, "TRANSCRIPT_DAMAGED", $"{path} is no transcript, or was changed: its hashes do not hold.", "Fetch another copy of it; of this one nothing may be believed.");

    internal static Argument<string> File() => new("FILE") { Description = "The transcript (.kst)" };
}
