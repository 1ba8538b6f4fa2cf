namespace KeyService.Crypto.Logs;

/// <summary>
/// Gathers the nodes that a proof needs while the leaves of the log pass once, in order: for logs whose tree is kept nowhere. Leaves before what
/// is proven need not pass where the tree that they made is known. Memory is that of the proof.
/// </summary>
public sealed class NodeGathering
{
    private readonly (int Level, long Index)[] _needed;
    private readonly Dictionary<(int Level, long Index), byte[]> _found = [];
    private MerkleFrontier _subtree = new();
    private long _next;
    private int _at;

    private NodeGathering(IEnumerable<(int Level, long Index)> needed, MerkleFrontier before)
    {
        _needed = [.. needed.Distinct().OrderBy(node => node.Index << node.Level)];
        _next = before.Size;
        // What the proof needs of the leaves before is one of their perfect subtrees, or begins with some of them (RFC 6962 2.1.1: a sibling to
        // the left of the path ends where a subtree of every tree does whose size lies between).
        for (; _at < _needed.Length && _needed[_at] is var (level, index) && index << level < before.Size; _at++)
        {
            if ((index + 1) << level > before.Size)
            {
                _subtree = before.From(index << level);
                break;
            }

            _found[_needed[_at]] = before.SubtreeRoot(level, index) ?? throw new ArgumentOutOfRangeException(nameof(before), "It ends behind what is to be proven.");
        }
    }

    /// <summary>For the proof that a leaf stands in a tree.</summary>
    /// <param name="before">The tree of leaves that do not pass: none of them is what is proven. Null when all pass.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such leaf, or it is among those that do not pass.</exception>
    public static NodeGathering ForInclusion(long index, long size, MerkleFrontier? before = null)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(before?.Size ?? 0, index, nameof(before));
        return Of(nodes => MerkleProof.Inclusion(index, size, nodes), before);
    }

    /// <summary>For the proof that a tree goes on from another.</summary>
    /// <param name="before">The tree of leaves that do not pass: at most the older tree. Null when all pass.</param>
    /// <exception cref="ArgumentOutOfRangeException">The older tree is the larger one, or does not have the leaves that do not pass.</exception>
    public static NodeGathering ForConsistency(long oldSize, long size, MerkleFrontier? before = null)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(before?.Size ?? 0, oldSize, nameof(before));
        return Of(nodes => MerkleProof.Consistency(oldSize, size, nodes), before);
    }

    /// <summary>The next leaf.</summary>
    /// <param name="leafHash">32 bytes.</param>
    public void Append(ReadOnlySpan<byte> leafHash)
    {
        if (_at < _needed.Length && _next >= _needed[_at].Index << _needed[_at].Level)
        {
            _subtree.Append(leafHash);
            if (_subtree.Size == 1L << _needed[_at].Level)
            {
                _found[_needed[_at]] = _subtree.Root();
                _subtree = new MerkleFrontier();
                _at++;
            }
        }
        _next++;
    }

    /// <summary>A node, when all leaves have passed.</summary>
    public byte[] Node(int level, long index) => _found[(level, index)];

    // Which nodes a proof asks for does not depend on what they are.
    private static NodeGathering Of(Func<MerkleNodes, IReadOnlyList<byte[]>> prove, MerkleFrontier? before)
    {
        var asked = new List<(int Level, long Index)>();
        prove((level, index) =>
        {
            asked.Add((level, index));
            return new byte[MerkleHash.Length];
        });
        return new NodeGathering(asked, before ?? new MerkleFrontier());
    }
}
