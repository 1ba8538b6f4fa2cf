namespace KeyService.Crypto.Logs;

/// <summary>An RFC 6962 tree in memory, 64 bytes a leaf, that answers for every one of its nodes. For who makes proofs; to append and have the root a <see cref="MerkleFrontier"/> does.</summary>
public sealed class MerkleTree
{
    private const int HashLength = MerkleHash.Length;
    private readonly List<Level> _levels = [];

    /// <summary>Number of leaves.</summary>
    public long Size => _levels.Count == 0 ? 0 : _levels[0].Count;

    /// <summary>One leaf more.</summary>
    /// <param name="leafHash">32 bytes.</param>
    public void Append(ReadOnlySpan<byte> leafHash)
    {
        Span<byte> hash = stackalloc byte[HashLength];
        leafHash.CopyTo(hash);
        for (int level = 0; ; level++)
        {
            if (level == _levels.Count)
            {
                _levels.Add(new Level());
            }
            Level nodes = _levels[level];
            nodes.Add(hash);
            if ((nodes.Count & 1) == 1)
            {
                return;
            }
            MerkleHash.Node(nodes[nodes.Count - 2], hash, hash);
        }
    }

    /// <summary>The hash of a perfect subtree.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The tree does not reach that far.</exception>
    public byte[] Node(int level, long index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(level, _levels.Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, _levels[level].Count);
        return _levels[level][(int)index].ToArray();
    }

    /// <summary>The root of the first <paramref name="size"/> leaves.</summary>
    public byte[] Root(long size) => MerkleProof.Root(size, Node);

    private sealed class Level
    {
        private byte[] _hashes = new byte[16 * HashLength];

        public int Count { get; private set; }

        public ReadOnlySpan<byte> this[int index] => _hashes.AsSpan(index * HashLength, HashLength);

        public void Add(ReadOnlySpan<byte> hash)
        {
            if (_hashes.Length == Count * HashLength)
            {
                Array.Resize(ref _hashes, 2 * _hashes.Length);
            }
            hash.CopyTo(_hashes.AsSpan(Count * HashLength));
            Count++;
        }
    }
}
