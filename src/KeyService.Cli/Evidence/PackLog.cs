using System.Globalization;
using System.Text;
using KeyService.Cli.CommandLine;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Evidence;

/// <summary>
/// The audit log in a pack, an export in the folder <c>log/</c>. The manifest does not name its files: it names the checkpoint, to which they must lead,
/// and from where on they must be there (ADR 0265).
/// </summary>
internal static class PackLog
{
    public const string Folder = "log/";

    public const string CheckpointName = "audit/checkpoint";

    private const string EvidenceKeySuffix = "/evidence";

    // A full bundle of the longest entries.
    private const long MaxFileLength = LogTiles.Width * (LogTiles.MaxEntryLength + 4L);

    public static bool Has(string name) => name.StartsWith(Folder, StringComparison.Ordinal);

    /// <param name="manifest">Verified, and its files too.</param>
    /// <returns>Records of the log, each proven; null when the manifest says that the log is not in the pack.</returns>
    /// <exception cref="CliError">The log is not the one that the manifest binds, or not all of it.</exception>
    public static long? Verify(PackFiles files, EvidenceManifest manifest, IReadOnlyList<NoteVerifier> keys, Action<long>? progress)
    {
        var paths = files.Names.Where(Has).Select(name => name[Folder.Length..]).ToList();
        if (manifest.Files.All(file => file.Name != LogReach.FileName))
        {
            return paths.Count == 0 ? null : throw PackError.Of("it has a log, and its manifest knows of none");
        }
        if (paths.Count == 0)
        {
            throw PackError.Of($"the log is missing that its manifest binds ({Folder})");
        }
        var names = LogNames.Of(manifest.Installation.Span);
        if (!LogReach.TryParse(Encoding.UTF8.GetString(files.Read(LogReach.FileName, LogReach.MaxLength)), out var reach)
            || !SignedNote.TryParse(files.Read(CheckpointName, SignedNote.MaxLength), out var note) || !Checkpoint.TryParse(note!.Text, out var checkpoint)
            || checkpoint!.Origin != names.Directory)
        {
            throw PackError.Of($"{LogReach.FileName} or {CheckpointName} is not in form");
        }
        var export = new ExportFiles(path => files.Find(Folder + path, MaxFileLength), () => paths);
        Compare(export, checkpoint);
        var report = ExportVerification.Run(export, new ExportTrust([.. keys.Where(key => !key.Name.EndsWith(EvidenceKeySuffix, StringComparison.Ordinal))], [note], null), progress);
        if (!report.Consistent)
        {
            throw PackError.Of($"the log in it is not consistent: {Folder}{report.Findings[0].Place}: {report.Findings[0].Text}");
        }
        if (report.Installation != names.Installation || report.Slots.Any(slot => slot.HeldSize < slot.Size))
        {
            throw PackError.Of("the log in it is not covered by the checkpoint that was signed with it");
        }
        var there = report.Slots.Where(slot => slot.Size > 0).Select(slot => (slot.Origin, slot.Start, slot.Size));
        if (!there.SequenceEqual(reach!.Slots.Select(slot => (names.Slot(slot.Slot), slot.Start, slot.Size))))
        {
            throw PackError.Of($"the log in it does not begin or end where {LogReach.FileName} says");
        }
        return report.Slots.Sum(slot => slot.Size - slot.Start);
    }

    // Before anything is gone through: whether it is the log that the manifest means. Witnesses may have signed since, so the text alone counts.
    private static void Compare(ExportFiles export, Checkpoint signed)
    {
        var path = $"{ExportFiles.Directory}/{ExportFiles.Checkpoint}";
        if (export.Read(path) is not { } bytes)
        {
            throw PackError.Of($"{Folder}{path} is missing");
        }
        if (!SignedNote.TryParse(bytes, out var note) || !Checkpoint.TryParse(note!.Text, out var end))
        {
            throw PackError.Of($"{Folder}{path} is no checkpoint");
        }
        if (end!.Origin != signed.Origin)
        {
            throw PackError.Of("the log in it is of another installation");
        }
        if (end.Size != signed.Size)
        {
            throw PackError.Of(string.Create(
                CultureInfo.InvariantCulture,
                $"the log in it ends {(end.Size < signed.Size ? "before" : "behind")} the checkpoint that was signed with it: {end.Size} entries of the directory instead of {signed.Size}"));
        }
        if (end.ToString() != signed.ToString())
        {
            throw PackError.Of("the log in it tells another history than the checkpoint that was signed with it");
        }
    }
}
