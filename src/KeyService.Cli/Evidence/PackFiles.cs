using System.IO.Compression;
using KeyService.Cli.CommandLine;
using KeyService.Crypto.Evidence;

namespace KeyService.Cli.Evidence;

/// <summary>
/// The files of a pack that came from anywhere. Nothing is unpacked to disk, and nothing is in it that would do harm to whoever unpacks it: each name once, of
/// the manifest's alphabet and so within the folder, plain files only.
/// </summary>
internal sealed class PackFiles : IDisposable
{
    /// <summary>Files in a pack, those of the log included: about 500 million records.</summary>
    public const int MaxFiles = 2_000_000;

    // S_IFMT, S_IFREG and S_IFDIR of stat(2), which ZIP files made on Unix keep in the upper half of the attributes; 0 of others.
    private const int TypeMask = 0xF000;
    private const int Plain = 0x8000;
    private const int Folder = 0x4000;

    private readonly ZipArchive _zip;
    private readonly Dictionary<string, ZipArchiveEntry> _files = new(StringComparer.Ordinal);

    /// <param name="source">Stays open; it can seek.</param>
    /// <exception cref="CliError">A file is in it that no pack has.</exception>
    /// <exception cref="InvalidDataException">It is no ZIP file.</exception>
    public PackFiles(Stream source)
    {
        _zip = new ZipArchive(source, ZipArchiveMode.Read, leaveOpen: true);
        if (_zip.Entries.Count > MaxFiles)
        {
            throw PackError.Of($"it has more than {MaxFiles} files");
        }
        foreach (var entry in _zip.Entries)
        {
            // Folders stand in the file when it was unpacked and packed again; they hold nothing.
            var isFolder = entry.FullName.EndsWith('/') && entry.Length == 0;
            var type = (entry.ExternalAttributes >>> 16) & TypeMask;
            if (!EvidenceManifest.IsName(isFolder ? entry.FullName[..^1] : entry.FullName))
            {
                throw PackError.Of("it has a file with a name that no file of a pack has");
            }
            if (entry.IsEncrypted || (type != 0 && type != (isFolder ? Folder : Plain)))
            {
                throw PackError.Of($"{entry.FullName} is no plain file");
            }
            if (!isFolder && !_files.TryAdd(entry.FullName, entry))
            {
                throw PackError.Of($"it has {entry.FullName} twice");
            }
        }
    }

    public IReadOnlyCollection<string> Names => _files.Keys;

    /// <param name="limit">No more is unfolded, whatever the file says of itself.</param>
    /// <returns>Null when there is no such file.</returns>
    /// <exception cref="CliError">It is longer.</exception>
    public byte[]? Find(string name, long limit)
    {
        if (!_files.TryGetValue(name, out var entry))
        {
            return null;
        }
        using var stream = entry.Open();
        using var content = new MemoryStream();
        var buffer = new byte[64 * 1024];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            content.Write(buffer, 0, read);
            if (content.Length > limit)
            {
                throw PackError.Of($"{name} is longer than it may be");
            }
        }
        return content.ToArray();
    }

    /// <exception cref="CliError">It is not there, or longer.</exception>
    public byte[] Read(string name, long limit) => Find(name, limit) ?? throw PackError.Of($"it has no file {name}");

    public void Dispose() => _zip.Dispose();
}
