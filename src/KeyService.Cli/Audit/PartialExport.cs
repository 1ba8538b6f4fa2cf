using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Crypto.IO;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Audit;

/// <summary>
/// An export on its way, in <c>DIR.partial</c> until it is whole and verified; then it takes its name in one step. What was read stays when
/// the command ends early, and the same command goes on behind it.
/// </summary>
internal sealed class PartialExport : IExportTarget
{
    private const string Suffix = ".partial";

    // What was asked for when it was begun; not part of an export.
    private const string Begun = "begun";

    private readonly string _target;

    private PartialExport(string target)
    {
        _target = target;
        Path = target + Suffix;
    }

    /// <summary>Where it is made.</summary>
    public string Path { get; }

    /// <summary>Begins an export, or goes on with one.</summary>
    /// <param name="request">What was asked for and of whom, to be the same the next time.</param>
    public static PartialExport Begin(string target, string request)
    {
        var full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(target));
        if (System.IO.Path.Exists(full))
        {
            throw Exists(target);
        }
        var export = new PartialExport(full);
        if (Directory.Exists(export.Path))
        {
            var same = export.Read(Begun)?.AsSpan().SequenceEqual(System.Text.Encoding.UTF8.GetBytes(request));
            return same == true ? export : throw new CliError(
                ExitCode.Conflict, "ALREADY_EXISTS", $"{target}{Suffix} was begun with other options, or from another service.", "Go on with the same options, or remove it and start again.");
        }
        Directory.CreateDirectory(export.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        export.Write(Begun, System.Text.Encoding.UTF8.GetBytes(request));
        return export;
    }

    /// <summary>What will be the export.</summary>
    public ExportFiles Files
    {
        get
        {
            var all = ExportFolder.Open(Path);
            return all with { List = () => all.List().Where(path => path != Begun) };
        }
    }

    public byte[]? Read(string path) => File.Exists(Of(path)) ? File.ReadAllBytes(Of(path)) : null;

    /// <summary>A file that is there whole or not at all, whatever ends the process. A power cut is found when the export is verified.</summary>
    public void Write(string path, ReadOnlySpan<byte> bytes)
    {
        var file = Of(path);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(file)!);
        using (var stream = new FileStream(file + ".tmp", new FileStreamOptions
        {
            Mode = FileMode.Create, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            stream.Write(bytes);
        }
        File.Move(file + ".tmp", file, overwrite: true);
    }

    /// <summary>Removes what a run before left of a log, but the records that it had read and where they begin.</summary>
    public void Forget(string folder, bool records)
    {
        var path = Of(folder);
        if (!Directory.Exists(path))
        {
            return;
        }
        if (records)
        {
            Directory.Delete(path, recursive: true);
            return;
        }
        foreach (var file in Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).ToList())
        {
            var name = System.IO.Path.GetRelativePath(path, file);
            if (name != ExportFiles.Start && (!name.StartsWith("tile/records/", StringComparison.Ordinal) || name.Contains('.', StringComparison.Ordinal)))
            {
                File.Delete(file);
            }
        }
        foreach (var empty in Directory.EnumerateDirectories(path, "*.p", SearchOption.AllDirectories).ToList())
        {
            Directory.Delete(empty, recursive: true);
        }
    }

    /// <summary>Makes everything durable and gives it its name.</summary>
    public void Publish()
    {
        File.Delete(Of(Begun));
        DurableFile.FlushFileSystem(Path);
        if (!Renaming.TryRename(Path, _target, replace: false))
        {
            throw Exists(_target);
        }
        DurableFile.FlushDirectory(System.IO.Path.GetDirectoryName(_target)!);
    }

    private string Of(string path) => System.IO.Path.Combine(Path, path);

    private static CliError Exists(string path) => new(ExitCode.Conflict, "ALREADY_EXISTS", $"{path} exists already.", "Name another directory.");
}
