using KeyService.Crypto;

namespace KeyService.Server.Holdings;

/// <summary>What a campaign does. Frozen numbers, the same as in <c>holdings.proto</c>.</summary>
internal enum CampaignKind : byte
{
    Rewrap = 1,
    Reencrypt = 2,
}

/// <summary>Frozen numbers, the same as in <c>holdings.proto</c>.</summary>
internal enum CampaignState : byte
{
    Running = 1,
    Proven = 2,
    Abandoned = 3,
}

/// <summary>A row of <c>campaigns</c> whose MAC was verified when it was read.</summary>
/// <param name="Versions">What nothing shall need any more; at least one.</param>
/// <param name="ItemsPerSecond">For each holding; 0 is no limit.</param>
/// <param name="Proof">Encoded <c>CampaignProof</c> of a proven one; otherwise null.</param>
internal sealed record Campaign(
    string Name,
    CampaignKind Kind,
    string Key,
    IReadOnlyList<KeyVersionId> Versions,
    int ItemsPerSecond,
    CampaignState State,
    string StartedBy,
    DateTimeOffset StartTime,
    string? EndedBy,
    DateTimeOffset? EndTime,
    byte[]? Proof,
    long Revision);

/// <summary>How far a campaign is in a holding, as the engine there says.</summary>
internal sealed record CampaignProgress(
    string Campaign, string Holding, long ItemsDone, long ItemsTotal, long ItemsFailed, DateTimeOffset ReportTime, long Revision);
