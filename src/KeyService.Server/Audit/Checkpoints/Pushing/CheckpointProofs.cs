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

        var gathering = NodeGathering.ForConsistency(oldSize, size, await EdgeAsync(oldSize, cancellationToken));
        await foreach (var page in new Export.LogExport(store, SignedLog.Directory).PagesAsync(oldSize, size, cancellationToken))
        {
            foreach (var entry in page)
            {
                gathering.Append(MerkleHash.Leaf(entry));
            }
        }

        return MerkleProof.Consistency(oldSize, size, gathering.Node);
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
}
