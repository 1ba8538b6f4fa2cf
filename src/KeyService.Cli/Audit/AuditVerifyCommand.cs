using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit verify</c>: offline, with no service.</summary>
internal static class AuditVerifyCommand
{
    private const int MaxKeysLength = 64 * 1024;

    private static readonly Argument<string> Export = new("DIR") { Description = "What keyservice audit export wrote" };

    internal static readonly Option<string[]> Key = new("--key")
    {
        Description = "Public keys that must have signed; see keyservice audit key", HelpName = "FILE",
    };

    private static readonly Option<string[]> Held = new("--checkpoint")
    {
        Description = "A checkpoint that was kept elsewhere; may be given several times", HelpName = "FILE",
    };

    internal static readonly Option<string?> Policy = new("--policy")
    {
        Description = "Witnesses whose cosignatures are demanded (C2SP tlog-policy)", HelpName = "FILE",
    };

    public static Command Create() => new Command("verify", "Verify an exported audit log; needs no service") { Export, Key, Held, Policy }.WithNotes("""
        Finds records that were edited, left out, moved or inserted, and against --checkpoint or --policy also a log that was cut off or
        written anew. Records behind the last checkpoint that somebody else holds are consistent; that none of them is missing is not proven.
        Without --key whoever made the export may have signed it with a key of their own.
        Exit code 0: consistent. 4: not consistent.
        """).Runs(async run =>
    {
        var path = run.Get(Export);
        var trust = new ExportTrust(
            await KeysAsync(run.Get(Key) ?? [], run.Cancellation).ConfigureAwait(false),
            await CheckpointsAsync(run.Get(Held) ?? [], run.Cancellation).ConfigureAwait(false),
            run.Get(Policy) is { } policy ? await PolicyAsync(policy, run.Cancellation).ConfigureAwait(false) : null);
        var files = ExportFolder.Open(path);
        using var progress = new Progress("verifying", null, run.Quiet, Measure.Items);
        var report = ExportVerification.Run(files, trust, count =>
        {
            run.Cancellation.ThrowIfCancellationRequested();
            progress.Report(count);
        });
        run.Report.Write(Of(report, path));
        if (!report.Consistent)
        {
            throw new CliError(
                ExitCode.NotVerified, "LOG_NOT_CONSISTENT", $"{path}: not consistent: {report.Findings[0].Text}.",
                "Keep the export as evidence. Another copy, or a new export, shows whether it is the log or this copy that was changed.");
        }
        progress.Finish("verified", report.Slots.Sum(log => log.Size - log.Start), $": {Terminal.Printable(path)}: {report.Verdict}{(report.Pinned ? "" : " (keys not pinned)")}");
    });

    /// <summary>Keys from files of vkeys, a line each.</summary>
    internal static async Task<List<NoteVerifier>> KeysAsync(string[] paths, CancellationToken cancellation)
    {
        var keys = new List<NoteVerifier>();
        foreach (var path in paths)
        {
            var text = System.Text.Encoding.UTF8.GetString(await InputFile.ReadSmallAsync(path, MaxKeysLength, cancellation).ConfigureAwait(false));
            foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            {
                keys.Add(NoteVerifier.TryParse(line, out var key)
                    ? key!
                    : throw CliError.Usage($"{path} holds a line that is no verifier key.", "keyservice audit key writes them (NAME+ID+BASE64), a line each."));
            }
        }
        return keys;
    }

    internal static async Task<WitnessPolicy> PolicyAsync(string path, CancellationToken cancellation) =>
        WitnessPolicy.TryParse(await InputFile.ReadSmallAsync(path, WitnessPolicy.MaxLength, cancellation).ConfigureAwait(false), out var policy, out var fault)
            ? policy!
            : throw CliError.Usage($"{path} is no witness policy: {fault}.", "Write it as C2SP tlog-policy has it: witness NAME VKEY, group NAME all|any|K NAME…, quorum NAME.");

    private static async Task<List<SignedNote>> CheckpointsAsync(string[] paths, CancellationToken cancellation)
    {
        var notes = new List<SignedNote>();
        foreach (var path in paths)
        {
            notes.Add(SignedNote.TryParse(await InputFile.ReadSmallAsync(path, SignedNote.MaxLength, cancellation).ConfigureAwait(false), out var note)
                ? note!
                : throw CliError.Usage($"{path} is no checkpoint.", "keyservice audit checkpoint writes one; it is kept byte for byte."));
        }
        return notes;
    }

    private static Record Of(ExportReport report, string path) => new()
    {
        ["verdict"] = report.Verdict,
        ["export"] = path,
        ["consistent"] = report.Consistent,
        ["covered"] = report.Covered,
        ["pinned"] = report.Pinned,
        ["installation"] = report.Installation,
        ["directory_entries"] = report.Directory?.Size,
        ["held_directory_entries"] = report.Directory?.HeldSize,
        ["logs"] = report.Slots.Select(log => new Record
        {
            ["log"] = log.Origin, ["start"] = log.Start, ["size"] = log.Size, ["held_size"] = log.HeldSize,
        }).ToList(),
        ["findings"] = report.Findings.Select(finding => new Record
        {
            ["fault"] = EnumNames.Of(finding.Fault), ["place"] = finding.Place, ["sequence"] = finding.Sequence, ["finding"] = finding.Text,
        }).ToList(),
    };
}
