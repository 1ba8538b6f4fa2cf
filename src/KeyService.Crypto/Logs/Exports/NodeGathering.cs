namespace KeyService.Crypto.Logs;

/// <summary>
/// Gathers the nodes that a proof needs while all leaves of the log pass once, in order: for logs whose tree is kept nowhere. Memory is that
/// of the proof.
/// </summary>
public sealed class NodeGathering
{
    private readonly (int Level, long Index)[] _needed;
    private readonly Dictionary<(int Level, long Index), byte[]> _found = [];
    private MerkleFrontier _subtree = new();
    private long _next;
    private int _at;

    private NodeGathering(IEnumerable<(int Level, long Index)> needed) => _needed = [.. needed.Distinct().OrderBy(node => node.Index << node.Level)];

    /// <summary>For the proof that a leaf stands in a tree.</summary>
    public static NodeGathering ForInclusion(long index, long size) => Of(nodes => MerkleProof.Inclusion(index, size, nodes));

    /// <summary>For the proof that a tree goes on from another.</summary>
    public static NodeGathering ForConsistency(long oldSize, long size) => Of(nodes => MerkleProof.Consistency(oldSize, size, nodes));

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
    private static NodeGathering Of(Func<MerkleNodes, IReadOnlyList<byte[]>> prove)
    {
        var asked = new List<(int Level, long Index)>();
        prove((level, index) =>
        {
            asked.Add((level, index));
            return new byte[MerkleHash.Length];
        });
        return new NodeGathering(asked);
    }
}
