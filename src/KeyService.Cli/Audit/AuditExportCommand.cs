using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Client;
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
        var slots = await WriteDirectoryAsync(run, audit, export, keys, since, until).ConfigureAwait(false);
        var logs = new List<Record>();
        long records = 0, bytes = 0;
        foreach (var (slot, start, size) in slots)
        {
            var done = records;
            var (first, length) = await WriteSlotAsync(run, audit, export, slot, start, size, count => progress.Report(done + count)).ConfigureAwait(false);
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

    // The directory says which slots there are, and how far each of them reaches.
    private static async Task<List<(uint Slot, long Start, long Size)>> WriteDirectoryAsync(
        Invocation run, AuditCalls audit, PartialExport export, GetLogKeysResponse keys, DateTimeOffset? since, DateTimeOffset? until)
    {
        export.Forget(ExportFiles.Directory, records: true);
        using var files = new LogFiles(export, ExportFiles.Directory, 0);
        var slots = new SortedDictionary<uint, (long Start, long Size)>();
        var successions = 0;
        var request = new ExportLogRequest { Directory = true, EndTime = until is { } end ? Timestamp.FromDateTimeOffset(end) : null };
        ReadOnlyMemory<byte> checkpoint = default;
        await foreach (var answer in audit.ExportLogAsync(request, run.Cancellation).ConfigureAwait(false))
        {
            checkpoint = answer.Checkpoint.Length > 0 ? answer.Checkpoint.Memory : checkpoint;
            if (answer.WitnessedCheckpoint.Length > 0)
            {
                export.Write($"{ExportFiles.Directory}/{ExportFiles.Witnessed}", answer.WitnessedCheckpoint.Span);
            }
            foreach (var entry in answer.Entries)
            {
                files.Append(entry.Span);
                if (!DirectoryEntry.TryParse(entry.Span, out var parsed))
                {
                    continue;
                }
                if (parsed!.Kind == DirectoryEntryKind.Key)
                {
                    successions++;
                }
                else
                {
                    var before = since is { } time && parsed.TimeUnixNanoseconds < (time - DateTimeOffset.UnixEpoch).Ticks * 100;
                    slots[parsed.Slot] = (before ? parsed.Size / LogTiles.Width * LogTiles.Width : slots.GetValueOrDefault(parsed.Slot).Start, parsed.Size);
                }
            }
        }
        files.Finish(checkpoint.Span);
        // The keys that signed up to there, and by which word one followed the other.
        export.Write(ExportFiles.Keys, System.Text.Encoding.ASCII.GetBytes(string.Concat(keys.VerifierKeys.Take(1 + successions).Select(key => key + "\n"))));
        foreach (var (note, index) in keys.Successions.Take(successions).Select((note, index) => (note, index)))
        {
            export.Write(ExportFiles.Succession(index + 1), note.Span);
        }
        return [.. slots.Where(slot => slot.Value.Size > 0).Select(slot => (slot.Key, slot.Value.Start, slot.Value.Size))];
    }

    private static async Task<(long Start, long Bytes)> WriteSlotAsync(
        Invocation run, AuditCalls audit, PartialExport export, uint slot, long start, long size, Action<long> progress)
    {
        var folder = ExportFiles.Slot(slot);
        export.Forget(folder, records: false);
        // A time that was given as "30d" is another one by now: what was begun goes on where it began.
        if (export.Read($"{folder}/{ExportFiles.Start}") is { } begun)
        {
            start = ExportStart.TryParse(begun, out var before) ? before.Size : start;
        }
        else if (export.Read($"{folder}/{LogTiles.BundlePath(0, LogTiles.Width)}") is not null)
        {
            start = 0;
        }
        using var files = new LogFiles(export, folder, start);
        files.Resume();
        if (files.Next > size)
        {
            throw new CliError(ExitCode.Conflict, "ALREADY_EXISTS", $"{export.Path} reaches further than what is asked for.", "Remove it and start again.");
        }
        ReadOnlyMemory<byte> checkpoint = default;
        var request = new ExportLogRequest { LogSlot = (int)slot, Start = files.Next, Size = size };
        await foreach (var answer in audit.ExportLogAsync(request, run.Cancellation).ConfigureAwait(false))
        {
            if (answer.Checkpoint.Length > 0)
            {
                checkpoint = answer.Checkpoint.Memory;
                if (start > 0 && files.Next == start && MerkleFrontier.TryParse(start, answer.Before.Span, out var before))
                {
                    export.Write($"{folder}/{ExportFiles.Start}", ExportStart.Write(before));
                }
            }
            foreach (var entry in answer.Entries)
            {
                files.Append(entry.Span);
            }
            progress(files.Next - start);
        }
        files.Finish(checkpoint.Span);
        return (start, files.Bytes);
    }
}
