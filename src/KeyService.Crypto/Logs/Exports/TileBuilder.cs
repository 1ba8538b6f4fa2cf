namespace KeyService.Crypto.Logs;

/// <summary>Makes the hash tiles of a log as its leaves come: 8 KiB a level, whatever the size. docs/spec/audit-log.md.</summary>
/// <param name="emit">Gets path and hashes of each tile, full ones as soon as they are.</param>
public sealed class TileBuilder(Action<string, ReadOnlyMemory<byte>> emit)
{
    private const int TileLength = LogTiles.Width * MerkleHash.Length;

    private readonly List<Level> _levels = [];

    /// <summary>One leaf more.</summary>
    /// <param name="leafHash">32 bytes.</param>
    public void Append(ReadOnlySpan<byte> leafHash) => Append(0, leafHash);

    /// <summary>Gives out the partial tiles. Nothing is appended afterwards.</summary>
    public void Finish()
    {
        for (int level = 0; level < _levels.Count; level++)
        {
            if (_levels[level] is { Length: > 0 } partial)
            {
                Emit(level, partial);
            }
        }
    }

    private void Append(int level, ReadOnlySpan<byte> hash)
    {
        if (level == _levels.Count)
        {
            _levels.Add(new Level());
        }
        Level tile = _levels[level];
        hash.CopyTo(tile.Hashes.AsSpan(tile.Length));
        tile.Length += MerkleHash.Length;
        if (tile.Length == TileLength)
        {
            Emit(level, tile);
            byte[] hashes = tile.Hashes;
            byte[] root = MerkleProof.Root(LogTiles.Width, (within, index) => Node(hashes, within, (int)index));
            tile.Length = 0;
            tile.Index++;
            Append(level + 1, root);
        }
    }

    private void Emit(int level, Level tile) =>
        emit(LogTiles.TilePath(level, tile.Index, tile.Length / MerkleHash.Length), tile.Hashes.AsMemory(0, tile.Length));

    // A full tile is a perfect tree of eight levels.
    private static byte[] Node(byte[] hashes, int level, int index) => level == 0
        ? hashes.AsSpan(index * MerkleHash.Length, MerkleHash.Length).ToArray()
        : MerkleHash.Node(Node(hashes, level - 1, 2 * index), Node(hashes, level - 1, 2 * index + 1));

    private sealed class Level
    {
        public byte[] Hashes { get; } = new byte[TileLength];

        public int Length { get; set; }

        public long Index { get; set; }
    }
}
