using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Keys;

namespace KeyService.Server.Holdings;

/// <summary>A row of <c>holdings</c> whose MAC was verified when it was read: a place that holds something of keys.</summary>
/// <param name="Location">Where it is, for people.</param>
/// <param name="Owner">Name of the principal that reports it.</param>
/// <param name="Details">Encoded <c>PostgresColumn</c>; empty for other kinds.</param>
/// <param name="WriteOnceUntil">Nothing in it can be changed or removed before this time.</param>
/// <param name="ScanId">The scan that runs; null when none does.</param>
/// <param name="ScannedFrom">When the last complete scan began, by the service's clock; null before the first.</param>
/// <param name="ScannedAt">When it ended.</param>
/// <param name="UnknownItems">Items that name no version of this service, as last reported.</param>
internal sealed record Holding(
    string Name,
    HoldingKind Kind,
    KeyPattern KeyPattern,
    string Location,
    string Owner,
    byte[] Details,
    DateTimeOffset? WriteOnceUntil,
    DateTimeOffset CreateTime,
    bool Retired,
    ulong? ScanId,
    DateTimeOffset? ScanBeganAt,
    DateTimeOffset? ScannedFrom,
    DateTimeOffset? ScannedAt,
    long UnknownItems,
    long Revision)
{
    /// <summary>Whether something of the key may be in it.</summary>
    public bool MayHold(string keyName) => !Retired && KeyPattern.Covers(keyName);

    /// <summary>
    /// Items that need the version as far as this holding decides. What is written once stays: until its retention ends the most that was
    /// ever found there counts, whatever a later scan says.
    /// </summary>
    public long Needed(HoldingVersion? count, DateTimeOffset now) =>
        count is null ? 0 : IsWriteOnce(now) ? count.MostItems : count.Items;

    public bool IsWriteOnce(DateTimeOffset now) => WriteOnceUntil is { } end && now < end;

    /// <summary>Whether a complete scan began at or after this time.</summary>
    public bool ScannedSince(DateTimeOffset time) => ScannedFrom is { } begin && begin >= time;
}

/// <summary>A row of <c>holding_versions</c>: how many items of a holding stand under a version.</summary>
/// <param name="Items">As last reported.</param>
/// <param name="MostItems">The most that was ever reported.</param>
internal sealed record HoldingVersion(
    string Holding, KeyVersionId Version, long Items, long MostItems, DateTimeOffset ReportedAt, long Revision);
