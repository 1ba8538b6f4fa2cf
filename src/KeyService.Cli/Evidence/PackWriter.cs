using System.IO.Compression;
using KeyService.Cli.Audit;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Evidence;

/// <summary>Writes a pack into a file, a file of it at a time: what is written is not kept in memory, but for its name.</summary>
internal sealed class PackWriter : IExportTarget, IDisposable
{
    private readonly ZipArchive _zip;
    private readonly DateTimeOffset _made;
    private int _count;

    /// <param name="target">Stays open; it can seek.</param>
    /// <param name="made">The time that the files bear.</param>
    public PackWriter(Stream target, DateTimeOffset made)
    {
        _zip = new ZipArchive(target, ZipArchiveMode.Create, leaveOpen: true);
        // What a ZIP file can say begins with that year.
        _made = made.UtcDateTime.Year < 1980 ? new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero) : made.ToUniversalTime();
    }

    /// <summary>Writes a file of the pack.</summary>
    public void Add(string name, ReadOnlySpan<byte> content)
    {
        if (++_count > PackFiles.MaxFiles)
        {
            throw new CliError(ExitCode.Failed, "EVIDENCE_TOO_LARGE", "The log has more files than a pack holds.", "Make the pack with --without-log, and the log beside it with keyservice audit export.");
        }
        var entry = _zip.CreateEntry(name, CompressionLevel.Optimal);
        entry.LastWriteTime = _made;
        using var stream = entry.Open();
        stream.Write(content);
    }

    void IExportTarget.Write(string path, ReadOnlySpan<byte> bytes) => Add(PackLog.Folder + path, bytes);

    byte[]? IExportTarget.Read(string path) => null;

    /// <summary>Writes the list of files, without which it is no pack.</summary>
    public void Dispose() => _zip.Dispose();
}
