using System.CommandLine;
using System.Globalization;
using KeyService.Cli.Audit;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Client;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Evidence;

/// <summary><c>keyservice evidence …</c></summary>
internal static class EvidenceCommands
{
    private const int WriteBufferLength = 1 << 20;

    public static Command Create() => new("evidence", "One signed pack for an auditor, and its verification") { Pack(), Verify() };

    private static Command Pack()
    {
        var from = new Option<string>("--from") { Description = "First day or instant, UTC (2026-10-01)", HelpName = "TIME", Required = true };
        var until = new Option<string?>("--until") { Description = "First day or instant after; now when left out", HelpName = "TIME" };
        var output = new Option<string>("--output", "-o") { Description = "The ZIP file to write", HelpName = "FILE", Required = true };
        var withoutLog = new Option<bool>("--without-log") { Description = "Leave the audit log out; what is in the pack says so" };
        return new Command("pack", "Collect evidence of a range of time into one signed file") { from, until, output, withoutLog }.WithNotes("""
            Who may do what, conflicts of duties, keys, their ages and rotations, exceptions, decisions on addressable safeguards, backups, which data stores
            are covered, certificates, alarms, findings and months signed off, archives of the log, inventory, and the audit log itself from the range's
            first record to the newest checkpoint; index.html is the page to begin with. The pack's digest stands in the log. The log takes the permission
            export-audit; where it has hundreds of millions of records leave it out, and export it beside the pack (keyservice audit export).
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
            using var file = OutputFile.Create(path, force: false);
            if (!file.AppearsWhole)
            {
                throw CliError.Usage("A pack is read back before it is one.", "Name a file.");
            }
            await WriteAsync(run, client, file.Stream, first, past, log: !run.Get(withoutLog)).ConfigureAwait(false);
            EvidenceSeal seal;
            await using (var written = file.ReadBack())
            {
                seal = EvidencePack.Verify(written, []);
            }
            file.Commit();
            run.Report.Write(Of(seal, path, pinned: true));
        });
    }

    private static async Task WriteAsync(Invocation run, KeyServiceClient client, Stream target, DateTimeOffset first, DateTimeOffset past, bool log)
    {
        var files = new SortedDictionary<string, MemoryStream>(StringComparer.Ordinal);
        await foreach (var part in client.Evidence.ExportAsync(first, past, log, run.Cancellation).ConfigureAwait(false))
        {
            if (!files.TryGetValue(part.Name, out var content))
            {
                files.Add(part.Name, content = new MemoryStream());
            }
            part.Data.WriteTo(content);
        }
        // Disposed it would close the file, which is still to be read back.
        var buffer = new BufferedStream(target, WriteBufferLength);
        using (var pack = new PackWriter(buffer, past))
        {
            foreach (var (name, content) in files)
            {
                pack.Add(name, content.GetBuffer().AsSpan(0, (int)content.Length));
            }
            if (log)
            {
                await WriteLogAsync(run, client.Audit, pack, files).ConfigureAwait(false);
            }
        }
        await buffer.FlushAsync(run.Cancellation).ConfigureAwait(false);
    }

    // Up to the very checkpoint that the manifest has, from where it says.
    private static async Task WriteLogAsync(Invocation run, AuditCalls audit, PackWriter pack, SortedDictionary<string, MemoryStream> files)
    {
        if (!SignedNote.TryParse(files.GetValueOrDefault(PackLog.CheckpointName)?.ToArray() ?? [], out var note) || !Checkpoint.TryParse(note!.Text, out var checkpoint)
            || !LogReach.TryParse(System.Text.Encoding.UTF8.GetString(files.GetValueOrDefault(LogReach.FileName)?.ToArray() ?? []), out var reach))
        {
            throw PackError.Of("the service gave no checkpoint of its log");
        }
        using var progress = new Progress("reading the log", null, run.Quiet, Measure.Items);
        var download = new LogDownload(audit, pack, run.Cancellation);
        try
        {
            var keys = await audit.LogKeysAsync(run.Cancellation).ConfigureAwait(false);
            await download.DirectoryAsync(new ExportLogRequest { Directory = true, Size = checkpoint!.Size }, keys, since: null).ConfigureAwait(false);
            long done = 0;
            foreach (var slot in reach!.Slots)
            {
                await download.SlotAsync(slot.Slot, slot.Start, slot.Size, count => progress.Report(done + count)).ConfigureAwait(false);
                done += slot.Size - slot.Start;
            }
        }
        catch (KeyServiceException e) when (e.Reason == "ACCESS_DENIED")
        {
            throw new CliError(
                ExitCode.Refused, e.Reason, "Access denied to the audit log, which belongs into the pack.", "Ask for a grant of export-audit and read-audit, or make the pack with --without-log.", e);
        }
    }

    private static Command Verify()
    {
        var pack = new Argument<string>("FILE") { Description = "What keyservice evidence pack wrote" };
        return new Command("verify", "Verify a pack; needs no service") { pack, AuditVerifyCommand.Key }.WithNotes("""
            Every file is the one that the service's HSM signed, and none was added or left out; the audit log in it is proven record by record, as audit
            verify does, up to the checkpoint that was signed with the pack. Without --key whoever made the pack may have signed it with a key of their own:
            compare the key with one that you have from elsewhere; keys of the log (audit key) may be given beside it. Unpacked, the folder log is an export
            like any other: audit verify holds it against checkpoints and witnesses. Exit code 4: it does not verify.
            """).Runs(async run =>
        {
            var keys = await AuditVerifyCommand.KeysAsync(run.Get(AuditVerifyCommand.Key) ?? [], run.Cancellation).ConfigureAwait(false);
            var path = run.Get(pack);
            if (!File.Exists(path))
            {
                throw new CliError(ExitCode.Conflict, "NOT_FOUND", $"{path} does not exist.", "Name the file that keyservice evidence pack wrote.");
            }
            await using var file = File.OpenRead(path);
            using var progress = new Progress("verifying the log", null, run.Quiet, Measure.Items);
            var seal = EvidencePack.Verify(file, keys, count =>
            {
                run.Cancellation.ThrowIfCancellationRequested();
                progress.Report(count);
            });
            run.Report.Write(Of(seal, path, keys.Count > 0));
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
        ["log"] = seal.LogRecords is null ? "not in the pack" : "proven up to the pack's checkpoint",
        ["log_records"] = seal.LogRecords,
    };
}
