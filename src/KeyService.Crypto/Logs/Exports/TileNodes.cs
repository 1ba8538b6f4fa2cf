namespace KeyService.Crypto.Logs;

/// <summary>The nodes of a log's tree out of its hash tiles.</summary>
/// <param name="read">The bytes of a tile by its path; null when it is not there.</param>
/// <param name="size">Entries of the log.</param>
public sealed class TileNodes(Func<string, byte[]?> read, long size)
{
    /// <summary>A perfect subtree's root.</summary>
    /// <exception cref="InvalidDataException">The tile is missing or has not its length.</exception>
    public byte[] Node(int level, long index)
    {
        // The tile that has the nodes of that level, or of one of the seven below.
        int tileLevel = level / LogTiles.Height;
        int above = level % LogTiles.Height;
        long first = index << above;
        long tile = first / LogTiles.Width;
        int width = LogTiles.WidthOf(tileLevel, tile, size);
        string path = LogTiles.TilePath(tileLevel, tile, Math.Max(width, 1));
        byte[]? hashes = width == 0 ? null : read(path);
        if (hashes?.Length != width * MerkleHash.Length)
        {
            throw new InvalidDataException($"The hash tile {path} is missing or has not its length.");
        }
        int at = (int)(first % LogTiles.Width);
        return MerkleProof.Root(1L << above, (l, i) => Within(hashes, at, l, i));
    }

    private static byte[] Within(byte[] hashes, int at, int level, long index) => level == 0
        ? hashes.AsSpan((at + (int)index) * MerkleHash.Length, MerkleHash.Length).ToArray()
        : MerkleHash.Node(Within(hashes, at, level - 1, 2 * index), Within(hashes, at, level - 1, 2 * index + 1));
}
