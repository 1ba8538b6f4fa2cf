using System.CommandLine;
using System.Globalization;
using KeyService.Cli.Audit;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.IO;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Evidence;

/// <summary><c>keyservice evidence …</c></summary>
internal static class EvidenceCommands
{
    public static Command Create() => new("evidence", "One signed pack for an auditor, and its verification") { Pack(), Verify() };

    private static Command Pack()
    {
        var from = new Option<string>("--from") { Description = "First day or instant, UTC (2026-10-01)", HelpName = "TIME", Required = true };
        var until = new Option<string?>("--until") { Description = "First day or instant after; now when left out", HelpName = "TIME" };
        var output = new Option<string>("--output", "-o") { Description = "The ZIP file to write", HelpName = "FILE", Required = true };
        return new Command("pack", "Collect evidence of a range of time into one signed file") { from, until, output }.WithNotes("""
            Who may do what, conflicts of duties, keys and their ages, exceptions, backups, which data stores are covered, certificates, alarms and what was
            done about them, archives and the signed state of the audit log, inventory; index.html is the page to begin with. Its digest stands in the log.
            """).Runs(async run =>
        {
            var now = TimeProvider.System.GetUtcNow();
            var first = Seconds(AuditSearchCommand.ParseTime(run.Required(from), now));
            var past = Seconds(run.Get(until) is { } end ? AuditSearchCommand.ParseTime(end, now) : now);
            var path = run.Required(output);
            if (Path.Exists(path))
            {
                throw new CliError(ExitCode.Conflict, "ALREADY_EXISTS", $"{path} exists already.", "Name another file.");
            }
            using var client = run.Connect();
            var files = new SortedDictionary<string, MemoryStream>(StringComparer.Ordinal);
            await foreach (var part in client.Evidence.ExportAsync(first, past, run.Cancellation).ConfigureAwait(false))
            {
                if (!files.TryGetValue(part.Name, out var content))
                {
                    files.Add(part.Name, content = new MemoryStream());
                }
                part.Data.WriteTo(content);
            }
            DurableFile.WriteAtomically(path, UnixFileMode.UserRead | UnixFileMode.UserWrite, stream => EvidencePack.Write(stream, files.Select(file => KeyValuePair.Create(file.Key, file.Value.ToArray())), past));
            await using var written = File.OpenRead(path);
            run.Report.Write(Of(EvidencePack.Verify(written, []), path, pinned: true));
        });
    }

    private static Command Verify()
    {
        var pack = new Argument<string>("FILE") { Description = "What keyservice evidence pack wrote" };
        return new Command("verify", "Verify a pack; needs no service") { pack, AuditVerifyCommand.Key }.WithNotes("""
            Every file is the one that the service's HSM signed, and none was added or left out. Without --key whoever made the pack may have signed it with
            a key of their own: compare the key with one that you have from elsewhere. Exit code 4: it does not verify.
            """).Runs(async run =>
        {
            var keys = await AuditVerifyCommand.KeysAsync(run.Get(AuditVerifyCommand.Key) ?? [], run.Cancellation).ConfigureAwait(false);
            var path = run.Get(pack);
            if (!File.Exists(path))
            {
                throw new CliError(ExitCode.Conflict, "NOT_FOUND", $"{path} does not exist.", "Name the file that keyservice evidence pack wrote.");
            }
            await using var file = File.OpenRead(path);
            run.Report.Write(Of(EvidencePack.Verify(file, keys), path, keys.Count > 0));
            if (keys.Count == 0 && !run.Json && !run.Quiet)
            {
                await Console.Error.WriteLineAsync("Signed by the key that is in the pack. Compare it with one that you have from elsewhere, or give that (--key).").ConfigureAwait(false);
            }
        });
    }

    private static DateTimeOffset Seconds(DateTimeOffset time) => new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);

    private static Record Of(EvidenceSeal seal, string path, bool pinned) => new Record
    {
        ["pack"] = path,
        ["verified"] = true,
        ["pinned"] = pinned,
        ["installation"] = Convert.ToHexStringLower(seal.Manifest.Installation.Span),
        ["from"] = seal.Manifest.From.ToString("u", CultureInfo.InvariantCulture),
        ["until"] = seal.Manifest.Until.ToString("u", CultureInfo.InvariantCulture),
        ["made"] = seal.Manifest.Made.ToString("u", CultureInfo.InvariantCulture),
        ["files"] = (long)seal.Manifest.Files.Count,
        ["key"] = seal.Signer.ToString(),
    };
}
