using System.CommandLine;
using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto.AccessReviews;
using KeyService.Crypto.IO;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.AccessReviews;

/// <summary><c>keyservice access review result</c> and <c>verify</c>, which needs no service.</summary>
internal static class AccessReviewResultCommands
{
    private const int MaxKeyLength = 4096;
    private const int MaxRosterLength = 16 * 1024 * 1024;

    public static Command Result()
    {
        var id = new Argument<string?>("ID") { Description = "Id of the review, 16 hexadecimal digits; the newest that is closed when left out", Arity = ArgumentArity.ZeroOrOne };
        var output = new Option<string>("--output", "-o", "--out") { Description = "The file to write", HelpName = "FILE", Required = true };
        return new Command("result", "Take the signed result of a closed review out") { id, output }.Runs(async run =>
        {
            var path = run.Required(output);
            if (Path.Exists(path))
            {
                throw new CliError(ExitCode.Conflict, "ALREADY_EXISTS", $"{path} exists already.", "Name another file.");
            }
            using var client = run.Connect();
            var answer = await client.AccessReviews.ResultAsync(run.Get(id), run.Cancellation).ConfigureAwait(false);
            var note = answer.Note.ToByteArray();
            var result = VerifiedOf(note, path, answer.VerifierKey);
            DurableFile.WriteAtomically(path, UnixFileMode.UserRead | UnixFileMode.UserWrite, stream => stream.Write(note));
            run.Report.Write(RecordOf(result, path, answer.VerifierKey, rosterCompared: false));
            AccessReviewCommands.Say(run, $"Verify it anywhere: keyservice access review verify {path} --key '{answer.VerifierKey}'. Keep the key where nobody of the service can write.");
        });
    }

    public static Command Verify()
    {
        var file = new Argument<string>("FILE") { Description = "What keyservice access review result wrote" };
        var key = new Option<string>("--key")
        {
            Description = "The installation's key for results, which you have from elsewhere: NAME+ID+KEY as keyservice access review list shows it, or a file with it", HelpName = "KEY", Required = true,
        };
        var roster = new Option<string?>("--roster") { Description = "The personnel office's list, which must be the one that the review was started with", HelpName = "FILE" };
        var list = new Option<bool>("--list") { Description = "Show what became of each principal too, a line each" };
        return new Command("verify", "Verify a signed result; needs no service") { file, key, roster, list }.WithNotes("""
            The HSM of the installation signed who was in the review, whose word it was, and what became of each. It does not vouch for the list: compare that with
            --roster. Exit code 4: it does not verify.
            """).Runs(async run =>
        {
            var path = run.Get(file);
            var note = await InputFile.ReadSmallAsync(path, AccessReviewResult.MaxLength, run.Cancellation).ConfigureAwait(false);
            var given = run.Required(key);
            // A key has two plus signs, and is no usual name of a file.
            var text = File.Exists(given) ? System.Text.Encoding.UTF8.GetString(await InputFile.ReadSmallAsync(given, MaxKeyLength, run.Cancellation).ConfigureAwait(false)).Trim() : given;
            var result = VerifiedOf(note, path, text);
            if (run.Get(roster) is { } rosterPath
                && !SHA256.HashData(await InputFile.ReadSmallAsync(rosterPath, MaxRosterLength, run.Cancellation).ConfigureAwait(false)).AsSpan().SequenceEqual(result.RosterSha256.Span))
            {
                throw NotVerified($"{rosterPath} is not the list that the review was started with.", "Find out which list it was; the result has its SHA-256.");
            }
            if (run.Get(list))
            {
                await run.Report.WriteListAsync(result.Entries.Select(RecordOf).ToAsyncEnumerable(), "", run.Cancellation).ConfigureAwait(false);
            }
            run.Report.Write(RecordOf(result, path, text, run.Get(roster) is not null));
            if (run.Get(roster) is null)
            {
                AccessReviewCommands.Say(run, "Not compared: the personnel office's list. Give it (--roster) to see that it is the one that the review was started with.");
            }
        });
    }

    private static AccessReviewResult VerifiedOf(byte[] bytes, string path, string key)
    {
        if (!NoteVerifier.TryParse(key, out var verifier))
        {
            throw CliError.Usage("--key is no verifier key and no file with one.", "keyservice access review list shows it (NAME+ID+KEY).");
        }
        if (!AccessReviewResult.TryRead(bytes, out var note, out var result))
        {
            throw NotVerified($"{path} is no result of an access review.", "keyservice access review result writes one; it is kept byte for byte.");
        }
        // The key's name is the first line: another installation's result, and other things that the same key signs, have another one.
        return verifier!.Name == result!.Origin && verifier.Signed(note!)
            ? result
            : throw NotVerified($"{path} is not signed by that key, or was changed.", "Use nothing of it. Compare the key with the one that you have from elsewhere, and take the result out again.");
    }

    private static Record RecordOf(AccessReviewResult result, string path, string key, bool rosterCompared)
    {
        var record = new Record
        {
            ["file"] = path,
            ["verified"] = true,
            ["review"] = result.IdText,
            ["installation"] = Convert.ToHexStringLower(result.Installation.Span),
            ["started_by"] = result.StartedBy,
            ["start_time"] = result.StartTime,
            ["due_time"] = result.DueTime,
            ["close_time"] = result.CloseTime,
            ["closed_by"] = result.ClosedBy.Length == 0 ? null : result.ClosedBy,
            ["principals"] = result.Entries.Count,
        };
        foreach (var verdict in AccessReviewWords.Verdicts)
        {
            record[verdict.Replace('-', '_')] = result.Entries.Count(entry => entry.Verdict == verdict);
        }
        record["roster_sha256"] = Convert.ToHexStringLower(result.RosterSha256.Span);
        record["roster_compared"] = rosterCompared;
        record["key"] = key;
        return record;
    }

    private static Record RecordOf(AccessReviewEntry entry) => new Record
    {
        ["principal"] = entry.Principal,
        ["type"] = entry.Type,
        ["manager"] = Absent(entry.Manager),
        ["finding"] = Absent(entry.Finding),
        ["verdict"] = entry.Verdict,
        ["verdict_time"] = entry.Time,
        ["note"] = Absent(entry.Note),
    }
    .Detail("access", Absent(Convert.ToHexStringLower(entry.AccessDigest.Span)));

    private static string? Absent(string text) => text.Length == 0 ? null : text;

    private static CliError NotVerified(string message, string advice) => new(ExitCode.NotVerified, "RESULT_NOT_VERIFIED", message, advice);
}
