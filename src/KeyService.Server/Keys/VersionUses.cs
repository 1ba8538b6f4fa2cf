using System.Collections.Frozen;
using KeyService.Crypto;

namespace KeyService.Server.Keys;

/// <summary>
/// Counts calls that do something with a version whose destruction waits. Of all other versions nothing is counted: while none waits it costs
/// one read of memory. Thread safe.
/// </summary>
internal sealed class VersionUses
{
    private readonly Lock _changing = new();
    private volatile FrozenDictionary<KeyVersionId, Counter>? _watched;

    /// <summary>A call did something with the version: decrypted, unwrapped, re-wrapped, or told that it had.</summary>
    public void Note(KeyVersionId version)
    {
        if (_watched is { } watched && watched.TryGetValue(version, out var counter))
        {
            Interlocked.Increment(ref counter.Uses);
        }
    }

    /// <summary>Counts just these from now on; what was counted of those that stay is kept.</summary>
    public void Watch(IEnumerable<KeyVersionId> versions)
    {
        lock (_changing)
        {
            var before = _watched;
            var after = versions.Distinct().ToFrozenDictionary(
                version => version, version => before?.GetValueOrDefault(version) ?? new Counter());
            _watched = after.Count == 0 ? null : after;
        }
    }

    /// <summary>Counts these too.</summary>
    public void WatchAlso(IEnumerable<KeyVersionId> versions)
    {
        lock (_changing)
        {
            Watch([.. _watched?.Keys ?? [], .. versions]);
        }
    }

    /// <summary>Takes what was counted since the last time; versions that were not used are left out.</summary>
    public IReadOnlyDictionary<KeyVersionId, long> Take() =>
        (_watched ?? FrozenDictionary<KeyVersionId, Counter>.Empty)
        .Select(each => KeyValuePair.Create(each.Key, Interlocked.Exchange(ref each.Value.Uses, 0)))
        .Where(each => each.Value > 0)
        .ToDictionary();

    /// <summary>Gives back what was taken and could not be recorded.</summary>
    public void GiveBack(KeyVersionId version, long uses)
    {
        if (_watched is { } watched && watched.TryGetValue(version, out var counter))
        {
            Interlocked.Add(ref counter.Uses, uses);
        }
    }

    private sealed class Counter
    {
        public long Uses;
    }
}
