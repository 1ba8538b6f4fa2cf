using KeyService.Crypto.Logs;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>
/// Proofs that one checkpoint of the directory goes on from an earlier one. The tree's edges at the sizes that were asked for last are kept, so
/// that only new entries are read.
/// </summary>
internal sealed class CheckpointProofs(IStore store)
{
    private const int MaxEdges = 64;

    private readonly SortedDictionary<long, MerkleFrontier> _edges = [];

    /// <exception cref="StoreTamperedException">An entry is missing.</exception>
    public async Task<IReadOnlyList<byte[]>> ProveAsync(long oldSize, long size, CancellationToken cancellationToken)
    {
        if (oldSize == 0 || oldSize == size)
        {
            return [];
        }

        var old = await EdgeAsync(oldSize, cancellationToken);
        var nodes = new Dictionary<(int Level, long Index), byte[]>();
        var first = 0L;
        foreach (var root in old.ToArray().Chunk(MerkleHash.Length))
        {
            // Perfect subtrees from left to right, the largest first: the bits of what is left.
            var level = 63 - System.Numerics.BitOperations.LeadingZeroCount((ulong)(oldSize - first));
            nodes[(level, first >> level)] = root;
            first += 1L << level;
        }

        var leaves = await LeavesAsync(oldSize, size, cancellationToken);
        return MerkleProof.Consistency(oldSize, size, Node);

        byte[] Node(int level, long index) => nodes.TryGetValue((level, index), out var known) ? known
            : level == 0 ? leaves[(int)(index - oldSize)]
            : MerkleHash.Node(Node(level - 1, 2 * index), Node(level - 1, (2 * index) + 1));
    }

    private async Task<MerkleFrontier> EdgeAsync(long size, CancellationToken cancellationToken)
    {
        if (_edges.TryGetValue(size, out var edge))
        {
            return edge;
        }

        var below = _edges.LastOrDefault(each => each.Key < size).Value ?? new MerkleFrontier();
        edge = await DirectoryLog.ExtendAsync(store, below, size, cancellationToken);
        if (_edges.Count == MaxEdges)
        {
            _edges.Remove(_edges.First().Key);
        }

        return _edges[size] = edge;
    }

    private async Task<List<byte[]>> LeavesAsync(long from, long before, CancellationToken cancellationToken)
    {
        var leaves = new List<byte[]>();
        await foreach (var page in new Export.LogExport(store, SignedLog.Directory).PagesAsync(from, before, cancellationToken))
        {
            leaves.AddRange(page.Select(entry => MerkleHash.Leaf(entry)));
        }

        return leaves;
    }
}
