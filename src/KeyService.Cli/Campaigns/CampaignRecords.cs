using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Campaigns;

/// <summary>Campaigns and their proofs as results.</summary>
internal static class CampaignRecords
{
    public static Record Of(Campaign campaign) => new Record
    {
        ["name"] = campaign.Name,
        ["kind"] = EnumNames.Of(campaign.Kind),
        ["key"] = campaign.Key,
        ["key_versions"] = campaign.KeyVersions.ToList(),
        ["state"] = EnumNames.Of(campaign.State),
        ["started_by"] = campaign.StartedBy,
        ["start_time"] = Times.Of(campaign.StartTime),
        ["end_time"] = Times.Of(campaign.EndTime),
    }
    .Detail("items_per_second", campaign.ItemsPerSecond)
    .Detail("ended_by", campaign.EndedBy)
    .Detail("revision", campaign.Revision);

    public static Record Of(GetCampaignResponse answer)
    {
        var record = Of(answer.Campaign);
        record["holdings"] = (answer.Proof?.Holdings ?? answer.Holdings).Select(Of).ToList();
        record["next"] = Next(answer);
        return record;
    }

    public static Record Of(CampaignHolding holding) => new Record
    {
        ["holding"] = holding.Holding,
        ["kind"] = EnumNames.Of(holding.Kind),
        ["owner"] = holding.Owner,
        ["standing"] = EnumNames.Of(holding.Standing),
        ["items_left"] = holding.ItemsLeft,
        ["scan_end_time"] = Times.Of(holding.ScanEndTime),
        ["items_done"] = holding.Progress?.ItemsDone,
        ["items_failed"] = holding.Progress?.ItemsFailed,
        ["report_time"] = Times.Of(holding.Progress?.ReportTime),
    }
    .Detail("location", holding.Location)
    .Detail("items_total", holding.Progress?.ItemsTotal)
    .Detail("scan_begin_time", Times.Of(holding.ScanBeginTime))
    .Detail("write_once_until", Times.Of(holding.WriteOnceUntil));

    public static Record Of(CampaignProof proof, string? digest)
    {
        var record = new Record
        {
            ["statement"] = proof.Statement,
            ["campaign"] = proof.Campaign,
            ["kind"] = EnumNames.Of(proof.Kind),
            ["key"] = proof.Key,
            ["key_versions"] = proof.KeyVersions.ToList(),
            ["start_time"] = Times.Of(proof.StartTime),
            ["prove_time"] = Times.Of(proof.ProveTime),
            ["proven_by"] = proof.ProvenBy,
            ["nothing_pinned"] = proof.NothingPinned,
            ["holdings"] = proof.Holdings.Select(Of).ToList(),
            ["retired_holdings"] = proof.RetiredHoldings.ToList(),
        };
        if (digest is not null)
        {
            record["sha256"] = digest;
        }
        return record;
    }

    /// <summary>What to do next, in one sentence.</summary>
    public static string Next(GetCampaignResponse answer)
    {
        var name = answer.Campaign.Name;
        if (answer.Campaign.State != CampaignState.Running)
        {
            return answer.Proof is null ? "Nothing: it was given up." : $"Nothing: it is proven (keyservice campaign proof {name}).";
        }
        var open = answer.Holdings.Where(each => each.Standing is HoldingStanding.NotScanned or HoldingStanding.ItemsLeft).ToList();
        return answer.Holdings.Count == 0 ? "Register where the key's data lives: keyservice holding register …"
            : open.Count == 0 ? answer.Holdings.Any(each => each.Standing == HoldingStanding.Pinned)
                ? $"keyservice campaign end {name} --accept-pinned"
                : $"keyservice campaign end {name}"
            : $"keyservice campaign run {name} where these can be reached, as their owner: "
                + string.Join(", ", open.Select(each => $"{each.Holding} ({each.Owner})"))
                + (open.Any(each => each.Kind == HoldingKind.External) ? "; for those of kind external: keyservice holding report" : "");
    }
}
