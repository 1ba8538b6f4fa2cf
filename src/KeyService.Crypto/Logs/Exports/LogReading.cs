using System.Globalization;

namespace KeyService.Crypto.Logs;

/// <summary>
/// Reads one log of an export. First its hash tiles: when their root is the one that was signed, each entry has a hash of its own that is
/// proven, and what was done to it is found where it was done. Otherwise the roots at the sizes that others vouch for say between which two
/// of them it was.
/// </summary>
internal sealed class LogReading(
    ExportContents contents, string folder, MerkleFrontier before, Checkpoint checkpoint,
    IReadOnlyList<LogMark> expected, IEntryPlaces places, Action<long>? progress)
{
    private readonly MerkleFrontier _frontier = before.Copy();
    private readonly LogMark[] _marks = [.. expected.OrderBy(mark => mark.Size)];
    private int _nextMark;
    private long _good = before.Size;
    private bool _aligned = true;
    private bool _forked;

    /// <summary>False when a finding came of it.</summary>
    public bool Read()
    {
        int had = contents.Findings.Count;
        foreach (LogMark mark in _marks.Where(mark => mark.Size > checkpoint.Size))
        {
            contents.Add(ExportFault.Truncated, folder, checkpoint.Size, Invariant($"the log ends after {checkpoint.Size}, and {mark.What} covers {mark.Size}"));
        }
        if ((checkpoint.Size - before.Size) / LogTiles.Width > contents.Count)
        {
            // Before anything as long as that is gone through.
            contents.Add(ExportFault.Missing, folder, null, Invariant($"most files of {checkpoint.Size} entries are missing"));
            contents.LeaveUnread(folder);
            return false;
        }
        KnowFiles();
        bool proven = before.Size == 0 && TilesAreProven();
        while (_nextMark < _marks.Length && _marks[_nextMark].Size < before.Size)
        {
            _nextMark++;
        }
        CompareMarks();
        for (long index = before.Size / LogTiles.Width; index * LogTiles.Width < checkpoint.Size && !contents.Full; index++)
        {
            int width = LogTiles.WidthOf(0, index, checkpoint.Size);
            byte[]? hashes = before.Size == 0 ? contents.Read($"{folder}/{LogTiles.TilePath(0, index, width)}") : null;
            if (!ReadBundle(index, width, hashes?.Length == width * MerkleHash.Length ? hashes : null, proven))
            {
                break;
            }
        }
        return contents.Findings.Count == had;
    }

    private void KnowFiles()
    {
        for (int level = 0; before.Size == 0 && checkpoint.Size >> (LogTiles.Height * level) > 0; level++)
        {
            for (long index = 0; LogTiles.WidthOf(level, index, checkpoint.Size) is var width && width > 0; index++)
            {
                contents.Know($"{folder}/{LogTiles.TilePath(level, index, width)}");
            }
        }
        for (long index = before.Size / LogTiles.Width; LogTiles.WidthOf(0, index, checkpoint.Size) is var width && width > 0; index++)
        {
            contents.Know($"{folder}/{LogTiles.BundlePath(index, width)}");
        }
    }

    // The tiles of each level are those of the leaves, and their root is the one that was signed.
    private bool TilesAreProven()
    {
        var frontier = new MerkleFrontier();
        bool whole = true;
        var builder = new TileBuilder((path, hashes) =>
        {
            byte[]? tile = contents.Read($"{folder}/{path}");
            if (tile is null || !tile.AsSpan().SequenceEqual(hashes.Span))
            {
                contents.Add(tile is null ? ExportFault.Missing : ExportFault.Edited, $"{folder}/{path}", null, tile is null ? "the tile is missing" : "the tile is not that of the tiles below it");
                whole = false;
            }
        });
        for (long index = 0; index * LogTiles.Width < checkpoint.Size; index++)
        {
            int width = LogTiles.WidthOf(0, index, checkpoint.Size);
            string path = $"{folder}/{LogTiles.TilePath(0, index, width)}";
            if (contents.Read(path) is not { } tile || tile.Length != width * MerkleHash.Length)
            {
                contents.Add(ExportFault.Missing, path, index * LogTiles.Width, "the tile is missing or has not its length");
                return false;
            }
            for (int at = 0; at < tile.Length; at += MerkleHash.Length)
            {
                builder.Append(tile.AsSpan(at, MerkleHash.Length));
                frontier.Append(tile.AsSpan(at, MerkleHash.Length));
            }
        }
        builder.Finish();
        return whole && frontier.Root().AsSpan().SequenceEqual(checkpoint.Root);
    }

    // False when nothing behind it can be said.
    private bool ReadBundle(long index, int width, byte[]? hashes, bool proven)
    {
        string path = $"{folder}/{LogTiles.BundlePath(index, width)}";
        long first = index * LogTiles.Width;
        long end = first + width;
        if (contents.Read(path) is not { } bytes)
        {
            contents.Add(ExportFault.Missing, path, first, Invariant($"entries {first} to {end - 1} are missing: the file is not there"));
            return Skip(hashes, proven);
        }
        if (!LogTiles.TryReadBundle(bytes, out IReadOnlyList<ReadOnlyMemory<byte>> entries))
        {
            contents.Add(ExportFault.Malformed, path, first, "the file does not hold whole entries");
            return Skip(hashes, proven);
        }
        long next = first;
        foreach (ReadOnlyMemory<byte> entry in entries)
        {
            next = Place(entry.Span, path, next, end, hashes, first, proven);
        }
        if (next < end)
        {
            Missing(path, next, end - 1);
        }
        progress?.Invoke(_frontier.Size - before.Size);
        // What is out of place gives no root, but proven hashes do.
        return _aligned || Skip(hashes, proven);
    }

    // Answers which entry comes next.
    private long Place(ReadOnlySpan<byte> entry, string path, long next, long end, byte[]? hashes, long first, bool proven)
    {
        if (places.PlaceOf(entry, next, out string? elsewhere) is not { } number)
        {
            contents.Add(ExportFault.Malformed, path, next, Invariant($"entry {next} is not in canonical form"));
            _aligned = false;
            return next + 1;
        }
        if (elsewhere is not null || number < next || number >= end)
        {
            contents.Add(
                ExportFault.Misplaced, path, next, Invariant($"where entry {next} has to be stands one that says of itself that it is number {number}{(elsewhere is null ? "" : $" of {elsewhere}")}"));
            _aligned = false;
            return next;
        }
        if (number > next)
        {
            Missing(path, next, number - 1);
        }
        byte[] leaf = MerkleHash.Leaf(entry);
        ReadOnlySpan<byte> tile = hashes is null ? default : hashes.AsSpan((int)(number - first) * MerkleHash.Length, MerkleHash.Length);
        if (!tile.IsEmpty && !tile.SequenceEqual(leaf))
        {
            // Without a proof for the tile it may be the tile that was changed: either is a finding.
            contents.Add(ExportFault.Edited, path, number, Invariant($"entry {number} is not the one whose hash {(proven ? "was signed" : "stands in the tile")}"));
            leaf = proven ? tile.ToArray() : leaf;
        }
        if (_aligned)
        {
            _frontier.Append(leaf);
            CompareMarks();
        }
        return number + 1;
    }

    private void Missing(string path, long from, long to)
    {
        contents.Add(ExportFault.Missing, path, from, from == to ? Invariant($"entry {from} is missing") : Invariant($"entries {from} to {to} are missing"));
        _aligned = false;
    }

    // Goes on behind a bundle that gives no leaves, by the leaves of a proven tile.
    private bool Skip(byte[]? hashes, bool proven)
    {
        if (!proven || hashes is null)
        {
            return false;
        }
        for (int at = (int)(_frontier.Size % LogTiles.Width) * MerkleHash.Length; at < hashes.Length; at += MerkleHash.Length)
        {
            _frontier.Append(hashes.AsSpan(at, MerkleHash.Length));
            CompareMarks();
        }
        _aligned = true;
        return true;
    }

    private void CompareMarks()
    {
        for (; _nextMark < _marks.Length && _marks[_nextMark].Size == _frontier.Size; _nextMark++)
        {
            LogMark mark = _marks[_nextMark];
            if (_frontier.Root().AsSpan().SequenceEqual(mark.Root))
            {
                _good = _frontier.Size;
            }
            else if (!_forked)
            {
                // Every later root differs with it.
                _forked = true;
                contents.Add(ExportFault.Forked, folder, _good, Invariant($"entries {_good} to {mark.Size - 1} are not those that {mark.What} covers"));
            }
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
