using System.CommandLine;
using System.Formats.Tar;
using System.Security.Cryptography;
using KeyService.Cli.Archives;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Client;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit archive</c></summary>
internal static class AuditArchiveCommand
{
    private static readonly Argument<string> Month = new("MONTH") { Description = "UTC, for example 2026-10; months in their order" };

    private static readonly Argument<string> Archive = new("FILE") { Description = "An archive (.ksa) of a tar file of an export" };

    private static readonly Option<string> Location = new("--location") { Description = "Where the file is kept, in words", HelpName = "TEXT", Required = true };

    public static Command Create()
    {
        var requestId = GlobalOptions.RequestId();
        return new Command("archive", "Verify the file that a month of the log is kept in, and register it") { Month, Archive, Location, requestId }.WithNotes("""
            Make the file first; the key is your choice, and whoever may decrypt with it can read the log:
              keyservice audit export log-2026-10
              keyservice encrypt --key audit/archive -o log-2026-10.ksa -- tar c log-2026-10
            This opens the file through the service, unpacks it where temporary files go, verifies the export in it as audit verify does, and registers
            month, place, length and SHA-256. What was unpacked is removed.
            """).Runs(async run =>
        {
            var path = run.Get(Archive);
            var work = Directory.CreateTempSubdirectory("keyservice-audit-archive-");
            try
            {
                using var client = run.Connect();
                var (length, digest) = await UnpackAsync(run, client, path, work.FullName).ConfigureAwait(false);
                var report = Verify(run, path, work.FullName);
                await DemandFromTheBeginningAsync(run, client, report).ConfigureAwait(false);
                var registered = await client.Retention.RegisterAsync(
                    run.Get(Month), report.Directory!.Size, run.Required(Location), length, digest, run.Get(requestId), run.Cancellation).ConfigureAwait(false);
                run.Report.WriteLine(AuditRetentionCommands.Of(registered), AuditRetentionCommands.Line(registered));
            }
            finally
            {
                work.Delete(recursive: true);
            }
        });
    }

    // The bytes that are hashed are those that were opened, whatever happens to the file meanwhile.
    private static async Task<(long Length, byte[] Digest)> UnpackAsync(Invocation run, KeyServiceClient client, string path, string directory)
    {
        var tar = Path.Combine(directory, "tar");
        using var sha256 = SHA256.Create();
        await using var file = InputFile.Open(path);
        await using var hashed = new CryptoStream(file, sha256, CryptoStreamMode.Read);
        using var progress = new Progress("opening", InputFile.LengthOf(file), run.Quiet);
        long length;
        await using (var target = new FileStream(tar, FileMode.CreateNew, FileAccess.Write))
        {
            var opened = await DecryptCommand.OpenAsync(client, remote: false, expected: null, hashed, target, progress, run.Cancellation).ConfigureAwait(false);
            progress.Finish("opened", opened.PlaintextBytes, $": {Terminal.Printable(path)}");
            length = file.Position;
        }
        try
        {
            await TarFile.ExtractToDirectoryAsync(tar, Directory.CreateDirectory(Path.Combine(directory, "export")).FullName, overwriteFiles: false, run.Cancellation)
                .ConfigureAwait(false);
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or EndOfStreamException or ArgumentException || (e is IOException && e is not PathTooLongException && !IsDiskFull(e)))
        {
            throw NotAnExport(path, "its content is no tar file of an export");
        }
        return (length, sha256.Hash!);
    }

    private static bool IsDiskFull(Exception e) => (e.HResult & 0xFFFF) is 28 or 0x70;

    private static ExportReport Verify(Invocation run, string path, string directory)
    {
        var keys = Directory.EnumerateFiles(Path.Combine(directory, "export"), ExportFiles.Keys, SearchOption.AllDirectories).Take(2).ToList();
        if (keys.Count != 1)
        {
            throw NotAnExport(path, "it does not hold one export");
        }
        using var progress = new Progress("verifying", null, run.Quiet, Measure.Items);
        var report = ExportVerification.Run(ExportFolder.Open(Path.GetDirectoryName(keys[0])!), new ExportTrust([], [], null), count =>
        {
            run.Cancellation.ThrowIfCancellationRequested();
            progress.Report(count);
        });
        if (!report.Consistent || report.Directory is null)
        {
            throw new CliError(
                ExitCode.NotVerified, "LOG_NOT_CONSISTENT", $"{path}: the export in it is not consistent{(report.Findings.Count > 0 ? $": {report.Findings[0].Text}" : "")}.",
                "Export the log anew, and make the file of that.");
        }
        progress.Finish("verified", report.Slots.Sum(log => log.Size - log.Start), $": {Terminal.Printable(path)}");
        return report;
    }

    // An export that begins too late would leave a gap between this month's file and the one before.
    private static async Task DemandFromTheBeginningAsync(Invocation run, KeyServiceClient client, ExportReport report)
    {
        var archived = (await client.Retention.ListAsync(run.Cancellation).ConfigureAwait(false)).Archives.SelectMany(archive => archive.Slots)
            .GroupBy(slot => (long)slot.LogSlot).ToDictionary(slot => slot.Key, slot => slot.Max(part => part.FirstSequence + part.Count));
        foreach (var log in report.Slots)
        {
            var slot = long.Parse(log.Origin[(log.Origin.LastIndexOf('/') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
            if (log.Start > archived.GetValueOrDefault(slot))
            {
                throw CliError.Usage(
                    $"The export begins with record {log.Start} of slot {slot}, and the archives before end with record {archived.GetValueOrDefault(slot) - 1}.",
                    "Export with an earlier --since, or without it.");
            }
        }
    }

    private static CliError NotAnExport(string path, string what) => new(
        ExitCode.NotVerified, "LOG_NOT_CONSISTENT", $"{path}: {what}.", "Make it of the directory that keyservice audit export wrote: keyservice encrypt … -- tar c DIRECTORY.");
}
