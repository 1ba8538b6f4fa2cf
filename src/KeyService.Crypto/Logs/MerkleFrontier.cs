using System.Numerics;

namespace KeyService.Crypto.Logs;

/// <summary>
/// The right edge of an RFC 6962 tree that grows: the roots of its perfect subtrees from left to right, one for each bit of the size. 32
/// bytes each, at most 64; enough to append and to give the root without the leaves.
/// </summary>
public sealed class MerkleFrontier
{
    /// <summary>Bytes of a hash.</summary>
    public const int HashLength = MerkleHash.Length;

    private readonly List<byte[]> _roots = [];

    /// <summary>Number of leaves.</summary>
    public long Size { get; private set; }

    /// <summary>One leaf more.</summary>
    /// <param name="leafHash">32 bytes, <see cref="MerkleHash.Leaf"/>.</param>
    public void Append(ReadOnlySpan<byte> leafHash)
    {
        var hash = leafHash.ToArray();
        // As in binary counting: each trailing one bit of the size is a subtree as large as the new one, and joins it.
        for (var rest = Size; (rest & 1) != 0; rest >>= 1)
        {
            hash = MerkleHash.Node(_roots[^1], hash);
            _roots.RemoveAt(_roots.Count - 1);
        }

        _roots.Add(hash);
        Size++;
    }

    /// <summary>The tree's root; of no leaves SHA-256 of nothing, as RFC 6962 has it.</summary>
    public byte[] Root()
    {
        if (_roots.Count == 0)
        {
            return MerkleHash.Empty();
        }

        var hash = _roots[^1];
        for (var i = _roots.Count - 2; i >= 0; i--)
        {
            hash = MerkleHash.Node(_roots[i], hash);
        }

        return hash;
    }

    /// <summary>The root of one of its perfect subtrees: of the 2^level leaves from index * 2^level on; null when those are none of them.</summary>
    public byte[]? SubtreeRoot(int level, long index)
    {
        var first = index << level;
        var larger = Size >> level >> 1 << level << 1;
        return level is >= 0 and < 63 && first == larger && (Size >> level & 1) != 0 ? _roots[BitOperations.PopCount((ulong)larger)] : null;
    }

    /// <summary>The tree of its last leaves, from one with which a perfect subtree begins: empty from its end on.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No subtree begins there.</exception>
    public MerkleFrontier From(long first)
    {
        // Where one begins the size's lower bits are left: those below the lowest of the leaves before.
        var rest = first == 0 ? Size : Size & ((first & -first) - 1);
        if (first < 0 || first + rest != Size)
        {
            throw new ArgumentOutOfRangeException(nameof(first), "No perfect subtree begins there.");
        }

        var tail = new MerkleFrontier { Size = rest };
        tail._roots.AddRange(_roots.Skip(BitOperations.PopCount((ulong)first)));
        return tail;
    }

    /// <summary>Another one that grows by itself.</summary>
    public MerkleFrontier Copy()
    {
        var copy = new MerkleFrontier { Size = Size };
        copy._roots.AddRange(_roots);
        return copy;
    }

    /// <summary>The roots, one after another: 32 bytes for each one bit of the size.</summary>
    public byte[] ToArray() => [.. _roots.SelectMany(root => root)];

    /// <summary>False when the bytes are not those of a tree of this size.</summary>
    public static bool TryParse(long size, ReadOnlySpan<byte> bytes, out MerkleFrontier frontier)
    {
        frontier = new MerkleFrontier();
        if (size < 0 || bytes.Length != BitOperations.PopCount((ulong)size) * HashLength)
        {
            return false;
        }

        frontier.Size = size;
        for (; !bytes.IsEmpty; bytes = bytes[HashLength..])
        {
            frontier._roots.Add(bytes[..HashLength].ToArray());
        }

        return true;
    }
}
