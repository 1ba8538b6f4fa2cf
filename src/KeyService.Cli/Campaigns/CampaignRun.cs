using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Campaigns;

/// <summary>One run of a campaign on this machine: each holding that it reaches is worked off, counted, and reported.</summary>
internal sealed class CampaignRun(Invocation run, KeyServiceClient client, IReadOnlyDictionary<string, string> places, int itemsPerSecond, bool scanOnly)
{
    private Campaign campaign = new();
    private List<KeyVersionId> versions = [];

    /// <returns>The exit code: 0 when nothing is left in the holdings that were reached.</returns>
    public async Task<int> RunAsync(string name)
    {
        var answer = await client.Holdings.GetCampaignAsync(name, run.Cancellation).ConfigureAwait(false);
        campaign = answer.Campaign;
        if (campaign.State != CampaignState.Running)
        {
            throw new CliError(ExitCode.Conflict, "CAMPAIGN_ENDED", $"Campaign {name} has ended.", $"Next: {CampaignRecords.Next(answer)}");
        }
        versions = [.. campaign.KeyVersions.Select(text => KeyVersionId.TryParse(text, out var id)
            ? id : throw new FormatException("The service answered something that is no key version."))];
        var reached = answer.Holdings.Where(each => places.ContainsKey(each.Holding)).ToList();
        DemandReached(answer, reached);

        var code = ExitCode.Ok;
        foreach (var standing in reached)
        {
            code = Math.Max(code, await WorkOffAsync(standing).ConfigureAwait(false));
        }
        if (!run.Quiet && !run.Json)
        {
            var after = await client.Holdings.GetCampaignAsync(name, run.Cancellation).ConfigureAwait(false);
            Console.Error.WriteLine($"next: {Terminal.Printable(CampaignRecords.Next(after))}");
        }
        return code;
    }

    private void DemandReached(GetCampaignResponse answer, List<CampaignHolding> reached)
    {
        if (places.Keys.Except(answer.Holdings.Select(each => each.Holding)).FirstOrDefault() is { } foreign)
        {
            throw CliError.Usage($"{foreign} is no holding of this campaign.", $"Its holdings: {string.Join(", ", answer.Holdings.Select(each => each.Holding))}.");
        }
        if (reached.Count == 0)
        {
            throw CliError.Usage("No holding was said to be reachable from here.", "Say where they are: --at HOLDING=PLACE, for each.");
        }
        if (reached.FirstOrDefault(each => each.Kind == HoldingKind.External) is { } external)
        {
            throw CliError.Usage($"{external.Holding} is of kind external: only its owner can look.", "Report it with keyservice holding report.");
        }
    }

    private async Task<int> WorkOffAsync(CampaignHolding standing)
    {
        var holding = await client.Holdings.GetAsync(standing.Holding, run.Cancellation).ConfigureAwait(false);
        var work = await OpenAsync(holding).ConfigureAwait(false);
        await using (work.ConfigureAwait(false))
        {
            // Told before anything is changed: who may not report the holding changes nothing in it.
            var counted = await ScanAsync(holding, work, null).ConfigureAwait(false);
            var total = counted.Under(versions);
            using var shown = new Progress(campaign.Kind == CampaignKind.Rewrap ? "re-wrapping" : "re-encrypting", total, run.Quiet, Measure.Items);
            var progress = new WorkProgress(
                shown, new Pace(Slower(campaign.ItemsPerSecond, itemsPerSecond), TimeProvider.System),
                (done, failed) => ReportAsync(holding.Name, ScanPhase.Progress, "", new VersionCounts(), Progress(done, total, failed)), TimeProvider.System);
            var idle = scanOnly ? "only counted" : total == 0 ? "nothing to do" : work.Idle;
            if (idle is null)
            {
                await work.WorkAsync(progress, run.Cancellation).ConfigureAwait(false);
                counted = await ScanAsync(holding, work, Progress(progress.Changed, total, progress.Failed)).ConfigureAwait(false);
            }
            shown.Finish(campaign.Kind == CampaignKind.Rewrap ? "re-wrapped" : "re-encrypted", progress.Changed, $" of {Terminal.Printable(holding.Name)}");
            return Tell(holding, counted, progress, idle, shown.Elapsed);
        }
    }

    private async Task<IHoldingWork> OpenAsync(Holding holding)
    {
        var place = places[holding.Name];
        return holding.Kind switch
        {
            HoldingKind.PostgresColumn =>
                await ColumnWork.OpenAsync(client, place, holding.Postgres, versions, campaign.Kind, run.Cancellation).ConfigureAwait(false),
            HoldingKind.SdkKeyTable =>
                await KeyTableWork.OpenAsync(client, place, holding.Postgres, campaign.Kind, run.Cancellation).ConfigureAwait(false),
            _ => ArchiveWork.Open(client, place, campaign.Key, versions, campaign.Kind, Times.Of(holding.WriteOnceUntil)),
        };
    }

    private async Task<VersionCounts> ScanAsync(Holding holding, IHoldingWork work, CampaignProgress? progress)
    {
        var begun = await ReportAsync(holding.Name, ScanPhase.Begin, "", new VersionCounts(), null).ConfigureAwait(false);
        var counts = await work.ScanAsync(run.Cancellation).ConfigureAwait(false);
        await ReportAsync(holding.Name, ScanPhase.Complete, begun.ScanId, counts, progress).ConfigureAwait(false);
        return counts;
    }

    private async Task<ReportHoldingResponse> ReportAsync(
        string holding, ScanPhase phase, string scanId, VersionCounts counts, CampaignProgress? progress)
    {
        var report = new ReportHoldingRequest { Name = holding, Phase = phase, ScanId = scanId, UnknownItems = counts.Unknown, Progress = progress };
        report.Counts.AddRange(counts.ToMessages());
        return await client.Holdings.ReportAsync(report, cancellation: run.Cancellation).ConfigureAwait(false);
    }

    private int Tell(Holding holding, VersionCounts counted, WorkProgress progress, string? idle, TimeSpan elapsed)
    {
        var left = counted.Under(versions);
        var text = idle is null ? "" : $" ({idle})";
        run.Report.WriteLine(
            new Record
            {
                ["operation"] = "campaign-run",
                ["campaign"] = campaign.Name,
                ["holding"] = holding.Name,
                ["changed"] = progress.Changed,
                ["failed"] = progress.Failed,
                ["failures"] = progress.Examples,
                ["items_left"] = left,
                ["unknown_items"] = counted.Unknown,
                ["idle"] = idle,
                ["seconds"] = elapsed.TotalSeconds,
            },
            $"{Terminal.Printable(holding.Name)}: {progress.Changed} changed, {progress.Failed} failed, {left} left, {counted.Unknown} unknown{text}");
        if (!run.Json)
        {
            foreach (var example in progress.Examples)
            {
                Console.Error.WriteLine($"  {example}");
            }
        }
        return left == 0 ? ExitCode.Ok : ExitCode.Failed;
    }

    private CampaignProgress Progress(long done, long total, long failed) => new()
    {
        Campaign = campaign.Name, ItemsDone = done, ItemsTotal = total, ItemsFailed = failed,
    };

    private static int Slower(int one, int other) => one == 0 ? other : other == 0 ? one : Math.Min(one, other);
}
