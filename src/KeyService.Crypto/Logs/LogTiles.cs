using System.Buffers.Binary;
using System.Globalization;

namespace KeyService.Crypto.Logs;

/// <summary>
/// Names and contents of the files that a log is exported as (C2SP tlog-tiles): hash tiles of 256, and beside them bundles of up to 256
/// entries whose lengths have 32 bits, since a record may be longer than tlog-tiles' own bundles hold. docs/spec/audit-log.md.
/// </summary>
public static class LogTiles
{
    /// <summary>Hashes of a full tile, entries of a full bundle.</summary>
    public const int Width = 256;

    /// <summary>Levels of the tree from one tile to the one above.</summary>
    public const int Height = 8;

    /// <summary>Bytes of an entry at most.</summary>
    public const int MaxEntryLength = 1 << 20;

    /// <summary>Path of a hash tile.</summary>
    /// <param name="level">0 holds leaf hashes.</param>
    /// <param name="width">1 to 256 hashes.</param>
    public static string TilePath(int level, long index, int width) => string.Create(CultureInfo.InvariantCulture, $"tile/{level}/{Place(index, width)}");

    /// <summary>Path of a bundle of entries.</summary>
    /// <param name="width">1 to 256 entries.</param>
    public static string BundlePath(long index, int width) => $"tile/records/{Place(index, width)}";

    /// <summary>How wide a tile is in a tree of that size; 0 when it is not there.</summary>
    public static int WidthOf(int level, long index, long size) => (int)Math.Clamp((size >> (Height * level)) - index * Width, 0, Width);

    /// <summary>Appends an entry to a bundle: its length in 4 bytes, then itself.</summary>
    public static void AppendEntry(Stream bundle, ReadOnlySpan<byte> entry)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(entry.Length, MaxEntryLength);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, entry.Length);
        bundle.Write(length);
        bundle.Write(entry);
    }

    /// <summary>The entries of a bundle; false when its bytes are not whole entries or are more than 256.</summary>
    public static bool TryReadBundle(ReadOnlyMemory<byte> bundle, out IReadOnlyList<ReadOnlyMemory<byte>> entries)
    {
        var found = new List<ReadOnlyMemory<byte>>(Width);
        entries = found;
        while (!bundle.IsEmpty)
        {
            if (bundle.Length < 4 || found.Count == Width || BinaryPrimitives.ReadInt32BigEndian(bundle.Span) is var length && (length is < 0 or > MaxEntryLength || length > bundle.Length - 4))
            {
                entries = [];
                return false;
            }
            found.Add(bundle.Slice(4, length));
            bundle = bundle[(4 + length)..];
        }
        return true;
    }

    // Three digits a path element, all but the last behind an x, so that no file stands where a directory has to.
    private static string Place(long index, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, Width);
        string path = (index % 1000).ToString("D3", CultureInfo.InvariantCulture);
        for (long rest = index / 1000; rest > 0; rest /= 1000)
        {
            path = string.Create(CultureInfo.InvariantCulture, $"x{rest % 1000:D3}/{path}");
        }
        return width == Width ? path : string.Create(CultureInfo.InvariantCulture, $"{path}.p/{width}");
    }
}
