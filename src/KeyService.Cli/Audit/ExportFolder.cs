using KeyService.Cli.CommandLine;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Audit;

/// <summary>An export in a directory.</summary>
internal static class ExportFolder
{
    // A full bundle of the longest entries.
    private const long MaxFileLength = LogTiles.Width * (LogTiles.MaxEntryLength + 4L);

    /// <summary>Its files, read when they are asked for.</summary>
    public static ExportFiles Open(string path)
    {
        if (!Directory.Exists(path))
        {
            throw new CliError(ExitCode.Conflict, "NOT_FOUND", $"{path} is no directory.", "Name the directory that keyservice audit export wrote.");
        }
        return new ExportFiles(name => ContentOf(Path.Combine(path, name)), () => List(path));
    }

    private static byte[]? ContentOf(string file)
    {
        var info = new FileInfo(file);
        return !info.Exists ? null
            : info.Length <= MaxFileLength ? File.ReadAllBytes(file)
            : throw new IOException($"{file} is longer than any file of an export.");
    }

    private static IEnumerable<string> List(string path) => Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories)
        .Select(file => Path.GetRelativePath(path, file).Replace(Path.DirectorySeparatorChar, '/'));
}
