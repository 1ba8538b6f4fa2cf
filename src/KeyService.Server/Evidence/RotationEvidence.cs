using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.Server.Evidence;

/// <summary>Every rotation of a range of time, and every limit that passed without one.</summary>
internal sealed class RotationEvidence(KeyQueries keys, TimeProvider time)
{
    // Keys whose versions are read at once.
    private const int Page = 1000;

    /// <param name="all">Every key, by name in byte order.</param>
    /// <exception cref="StoreTamperedException">A row was changed outside the service.</exception>
    public async Task<EvidenceItem> CollectAsync(IReadOnlyList<KeyFacts> all, EvidenceRange range, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var lines = new List<string>();
        foreach (var page in all.Chunk(Page))
        {
            var versions = (await keys.ListVersionsOfKeysAsync(page[0].Row.Name, page[^1].Row.Name, cancellationToken)).ToLookup(version => version.KeyName);
            var rotations = page.SelectMany(key => KeyRotations.Of(key.Row, versions[key.Row.Name], range, now)).ToList();
            foreach (var some in rotations.Chunk(Page))
            {
                var transitions = await keys.ListTransitionsAsync([.. some.Select(rotation => rotation.Version).DistinctBy(version => version.Id)], cancellationToken);
                lines.AddRange(some.Select(rotation => rotation.ToLine(
                    rotation.What == KeyRotations.Overdue ? null : transitions[rotation.Version.Id].FirstOrDefault(change => change.To == KeyState.Active)?.Change)));
            }
        }

        return EvidenceItem.OfLines(
            "keys/rotations.csv", "Rotations", "164.312(a)(2)(iv)",
            "Each version that began to protect in the range: when, what it superseded after how many days, who had it done and why, and its state now. And each version that protected past its limit without being rotated, by the limit that its key has now: from then on it encrypted nothing.",
            KeyRotation.Header, lines);
    }
}
