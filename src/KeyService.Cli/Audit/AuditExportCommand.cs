using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Client;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit export</c></summary>
internal static class AuditExportCommand
{
    private static readonly Argument<string> Target = new("DIR") { Description = "The directory to be made" };

    private static readonly Option<string?> Since = new("--since")
    {
        Description = "Only records from about then on: a UTC time, or how long ago (90m, 12h, 30d)", HelpName = "TIME",
    };

    private static readonly Option<string?> Until = new("--until")
    {
        Description = "Up to the last checkpoint before: a UTC time, or how long ago", HelpName = "TIME",
    };

    public static Command Create() => new Command("export", "Write the audit log with its checkpoints and keys into a directory") { Target, Since, Until }.WithNotes("""
        The export ends at a signed checkpoint and is verified before it takes its name; until then it is DIR.partial. What was read stays
        there when the command ends early, and the same command goes on behind it. keyservice audit verify DIR needs no service.
        """).Runs(async run =>
    {
        var now = TimeProvider.System.GetUtcNow();
        var since = run.Get(Since) is { } from ? AuditSearchCommand.ParseTime(from, now) : (DateTimeOffset?)null;
        var until = run.Get(Until) is { } to ? AuditSearchCommand.ParseTime(to, now) : (DateTimeOffset?)null;
        using var client = run.Connect();
        var keys = await client.Audit.LogKeysAsync(run.Cancellation).ConfigureAwait(false);
        var export = PartialExport.Begin(run.Get(Target), $"since {run.Get(Since)} until {run.Get(Until)} of {keys.VerifierKeys[0]}");
        try
        {
            await WriteAsync(run, client.Audit, export, keys, since, until).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            throw new CliError(
                ExitCode.Interrupted, "INTERRUPTED", "Interrupted.", $"What was read stands in {export.Path}; the same command goes on behind it.", e);
        }
    });

    private static async Task WriteAsync(Invocation run, AuditCalls audit, PartialExport export, GetLogKeysResponse keys, DateTimeOffset? since, DateTimeOffset? until)
    {
        using var progress = new Progress("reading", null, run.Quiet, Measure.Items);
        var download = new LogDownload(audit, export, run.Cancellation);
        var slots = await WriteDirectoryAsync(export, download, keys, since, until).ConfigureAwait(false);
        var logs = new List<Record>();
        long records = 0, bytes = 0;
        foreach (var (slot, start, size) in slots)
        {
            var done = records;
            export.Forget(ExportFiles.Slot(slot), records: false);
            var (first, length) = await download.SlotAsync(slot, start, size, count => progress.Report(done + count)).ConfigureAwait(false);
            records += size - first;
            bytes += length;
            logs.Add(new Record { ["slot"] = (long)slot, ["start"] = first, ["size"] = size });
        }
        var report = ExportVerification.Run(export.Files, new ExportTrust([], [], null));
        if (!report.Consistent)
        {
            throw new CliError(
                ExitCode.NotVerified, "LOG_NOT_CONSISTENT", $"What the service gave is not consistent: {report.Findings[0].Text}.",
                $"Keep {export.Path} as evidence and call whoever looks after the service: keyservice audit verify says more of it.");
        }
        export.Publish();
        progress.Finish(
            "exported", records,
            $" -> {Terminal.Printable(run.Get(Target))}{(until is null ? ", up to the last signed checkpoint; newer records are signed within a minute" : "")}");
        run.Report.Write(new Record
        {
            ["operation"] = "audit-export",
            ["directory"] = run.Get(Target),
            ["installation"] = report.Installation,
            ["directory_entries"] = report.Directory!.Size,
            ["records"] = records,
            ["record_bytes"] = bytes,
            ["logs"] = logs,
        });
    }

    private static Task<List<SlotReach>> WriteDirectoryAsync(PartialExport export, LogDownload download, GetLogKeysResponse keys, DateTimeOffset? since, DateTimeOffset? until)
    {
        export.Forget(ExportFiles.Directory, records: true);
        return download.DirectoryAsync(new ExportLogRequest { Directory = true, EndTime = until is { } end ? Timestamp.FromDateTimeOffset(end) : null }, keys, since);
    }
}
