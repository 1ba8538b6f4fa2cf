using System.Data.Common;
using Google.Protobuf.WellKnownTypes;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Holdings;

/// <summary>Where a campaign stands in each holding, and whether that proves that nothing registered needs its versions.</summary>
internal sealed class CampaignProving(Dependencies dependencies, RowAuthenticator rows, TimeProvider time)
{
    private readonly HoldingTables _holdings = new(rows);
    private readonly CampaignTables _campaigns = new(rows);

    /// <summary>
    /// The standing of every holding that may hold the campaign's key or was reported to hold something under its versions, by name; and the
    /// names of retired ones that did.
    /// </summary>
    public async Task<(IReadOnlyList<Wire.CampaignHolding> Holdings, IReadOnlyList<string> Retired)> StandAsync(
        DbConnection connection, DbTransaction? transaction, Campaign campaign, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var progress = (await _campaigns.ProgressOfAsync(connection, transaction, campaign.Name, cancellationToken))
            .ToDictionary(each => each.Holding, StringComparer.Ordinal);
        var versions = campaign.Versions.ToHashSet();
        var standings = new List<Wire.CampaignHolding>();
        var retired = new List<string>();
        foreach (var holding in await dependencies.HoldingsAsync(connection, cancellationToken))
        {
            var counts = (await _holdings.VersionsOfAsync(connection, transaction, holding.Name, cancellationToken))
                .Where(count => versions.Contains(count.Version)).ToList();
            var left = counts.Sum(count => holding.Needed(count, now));
            if (holding.Retired)
            {
                if (left > 0)
                {
                    retired.Add(holding.Name);
                }
            }
            else if (left > 0 || holding.MayHold(campaign.Key))
            {
                standings.Add(Standing(holding, campaign, left, now, progress.GetValueOrDefault(holding.Name)));
            }
        }

        return (standings, retired);
    }

    /// <summary>What is missing to the proof, as parts of a sentence; empty when nothing is.</summary>
    public static IReadOnlyList<string> Missing(IReadOnlyList<Wire.CampaignHolding> holdings, bool acceptPinned)
    {
        if (holdings.Count == 0)
        {
            return ["no holding is registered for the key: register where its data lives, or one of kind external whose owner tells"];
        }

        return
        [
            .. holdings.Select(each => each.Standing switch
            {
                Wire.HoldingStanding.NotScanned => $"{each.Holding}: no complete scan that began after the campaign did",
                Wire.HoldingStanding.ItemsLeft => $"{each.Holding}: {each.ItemsLeft} items left",
                Wire.HoldingStanding.Pinned when !acceptPinned =>
                    $"{each.Holding}: write-once with {each.ItemsLeft} items until {each.WriteOnceUntil.ToDateTimeOffset():yyyy-MM-dd}",
                _ => null,
            }).OfType<string>(),
        ];
    }

    /// <summary>The proof of what <see cref="Missing"/> has nothing against.</summary>
    public static Wire.CampaignProof Prove(
        Campaign campaign, IReadOnlyList<Wire.CampaignHolding> holdings, IReadOnlyList<string> retired, string by, DateTimeOffset now)
    {
        var pinned = holdings.Where(each => each.Standing == Wire.HoldingStanding.Pinned).Select(each => each.Holding).ToList();
        var what = campaign.Versions.Count == 1 ? $"version {campaign.Versions[0]}" : $"versions {string.Join(", ", campaign.Versions)}";
        var proof = new Wire.CampaignProof
        {
            Campaign = campaign.Name,
            Kind = (Wire.CampaignKind)campaign.Kind,
            Key = campaign.Key,
            StartTime = Timestamp.FromDateTimeOffset(campaign.StartTime),
            ProveTime = Timestamp.FromDateTimeOffset(now),
            ProvenBy = by,
            NothingPinned = pinned.Count == 0,
            Statement = $"Nothing registered needs {what} of {campaign.Key}"
                + (pinned.Count == 0 ? "." : $", but for write-once holdings until their retention ends: {string.Join(", ", pinned)}."),
        };
        proof.KeyVersions.AddRange(campaign.Versions.Select(each => each.ToString()));
        proof.Holdings.AddRange(holdings);
        proof.RetiredHoldings.AddRange(retired);
        return proof;
    }

    private static Wire.CampaignHolding Standing(Holding holding, Campaign campaign, long left, DateTimeOffset now, CampaignProgress? progress) => new()
    {
        Holding = holding.Name,
        Kind = (Wire.HoldingKind)holding.Kind,
        Location = holding.Location,
        Owner = holding.Owner,
        Standing = left > 0 ? holding.IsWriteOnce(now) ? Wire.HoldingStanding.Pinned : Wire.HoldingStanding.ItemsLeft
            : holding.ScannedSince(campaign.StartTime) ? Wire.HoldingStanding.Clean
            : Wire.HoldingStanding.NotScanned,
        ItemsLeft = left,
        ScanBeginTime = HoldingMessages.Time(holding.ScannedFrom),
        ScanEndTime = HoldingMessages.Time(holding.ScannedAt),
        WriteOnceUntil = HoldingMessages.Time(holding.WriteOnceUntil),
        Progress = progress is null ? null : HoldingMessages.ToWire(progress),
    };
}
