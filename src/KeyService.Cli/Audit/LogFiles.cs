using KeyService.Crypto.Logs;

namespace KeyService.Cli.Audit;

/// <summary>Writes the files of one log as its entries come: bundles, and of a log that is there from its first entry on the hash tiles.</summary>
internal sealed class LogFiles : IDisposable
{
    private readonly IExportTarget _export;
    private readonly string _folder;
    private readonly TileBuilder? _tiles;
    private readonly MemoryStream _bundle = new();
    private int _width;

    /// <param name="start">First entry; a multiple of 256.</param>
    public LogFiles(IExportTarget export, string folder, long start)
    {
        _export = export;
        _folder = folder;
        Next = start;
        _tiles = start == 0 ? new TileBuilder((path, hashes) => export.Write($"{folder}/{path}", hashes.Span)) : null;
    }

    /// <summary>The entry that comes next.</summary>
    public long Next { get; private set; }

    /// <summary>Bytes of entries so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>Takes the full bundles that an earlier run wrote.</summary>
    public void Resume()
    {
        while (_export.Read($"{_folder}/{LogTiles.BundlePath(Next / LogTiles.Width, LogTiles.Width)}") is { } bytes
            && LogTiles.TryReadBundle(bytes, out var entries) && entries.Count == LogTiles.Width)
        {
            foreach (var entry in entries)
            {
                _tiles?.Append(MerkleHash.Leaf(entry.Span));
                Bytes += entry.Length;
            }
            Next += entries.Count;
        }
    }

    public void Append(ReadOnlySpan<byte> entry)
    {
        LogTiles.AppendEntry(_bundle, entry);
        _tiles?.Append(MerkleHash.Leaf(entry));
        Bytes += entry.Length;
        Next++;
        if (++_width == LogTiles.Width)
        {
            WriteBundle();
        }
    }

    /// <summary>Writes what is partial, and the checkpoint.</summary>
    public void Finish(ReadOnlySpan<byte> checkpoint)
    {
        if (_width > 0)
        {
            WriteBundle();
        }
        _tiles?.Finish();
        _export.Write($"{_folder}/{ExportFiles.Checkpoint}", checkpoint);
    }

    public void Dispose() => _bundle.Dispose();

    private void WriteBundle()
    {
        _export.Write($"{_folder}/{LogTiles.BundlePath((Next - 1) / LogTiles.Width, _width)}", _bundle.GetBuffer().AsSpan(0, (int)_bundle.Length));
        _bundle.SetLength(0);
        _width = 0;
    }
}
