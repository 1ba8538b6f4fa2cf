using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Campaigns;

/// <summary>What a scan of a holding found.</summary>
internal sealed class VersionCounts
{
    private readonly SortedDictionary<KeyVersionId, long> items = [];

    /// <summary>Items under each version.</summary>
    public IReadOnlyDictionary<KeyVersionId, long> Items => items;

    /// <summary>Items that name no version.</summary>
    public long Unknown { get; private set; }

    public void Add(KeyVersionId version, long count) => items[version] = items.GetValueOrDefault(version) + count;

    public void AddUnknown(long count) => Unknown += count;

    /// <summary>Items under any of these versions.</summary>
    public long Under(IEnumerable<KeyVersionId> versions) => versions.Sum(version => items.GetValueOrDefault(version));

    public IEnumerable<VersionCount> ToMessages() =>
        items.Select(each => new VersionCount { KeyVersion = each.Key.ToString(), Items = each.Value });
}
