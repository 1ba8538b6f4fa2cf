using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Cli.Service;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Store;

/// <summary><c>keyservice store …</c></summary>
internal static class StoreCommands
{
    public static Command Create() => new("store", "Whether the store can be believed; accept one that was restored; PostgreSQL")
    {
        Status(), ScrubNow(), Accept(), ServerCommands.MigrateStore(), ServerCommands.ImportStore(),
    };

    private static Command Status() => new Command("status", "Show whether the database was put back, whether the clock is right, and the last scrub").Runs(async run =>
    {
        using var client = run.Connect();
        var trust = await client.Store.GetTrustAsync(run.Cancellation).ConfigureAwait(false);
        run.Report.Write(new Record
        {
            ["restored"] = trust.Restored,
            ["difference"] = trust.Difference.Length == 0 ? null : trust.Difference,
            ["clock_behind_seconds"] = trust.ClockBehind?.Seconds ?? 0,
            ["newest_time"] = Times.Of(trust.NewestTime),
            ["last_scrub_time"] = Times.Of(trust.LastScrubTime),
            ["last_scrub"] = trust.LastScrub is { } scrub ? Of(scrub) : null,
        });
    });

    private static Command ScrubNow() => new Command("scrub", "Compare every deciding row with the audit log; exit code 4 when one is not what the log says").Runs(async run =>
    {
        using var client = run.Connect();
        var scrub = await client.Store.ScrubAsync(run.Cancellation).ConfigureAwait(false);
        run.Report.Write(Of(scrub));
        return scrub.FindingCount == 0 ? ExitCode.Ok : ExitCode.NotVerified;
    });

    private static Command Accept()
    {
        var reason = new Option<string>("--reason") { Description = "Why; stands in the audit log", HelpName = "TEXT", Required = true };
        var clock = new Option<bool>("--clock") { Description = "Accept the clock too: it was wrong before and is right now" };
        var requestId = GlobalOptions.RequestId();
        return new Command("accept", "Accept the database as it stands after it was restored to an earlier day; every active version is rotated then")
        {
            reason, clock, requestId,
        }.Runs(async run =>
        {
            using var client = run.Connect();
            var accepted = await client.Store.AcceptAsync(run.Required(reason), run.Get(clock), run.Get(requestId), run.Cancellation).ConfigureAwait(false);
            run.Report.Write(new Record { ["restored_accepted"] = accepted.RestoredAccepted, ["clock_accepted"] = accepted.ClockAccepted });
        });
    }

    private static Record Of(Scrub scrub) => new()
    {
        ["row_count"] = scrub.RowCount,
        ["record_count"] = scrub.RecordCount,
        ["account_begun"] = scrub.AccountBegun,
        ["finding_count"] = scrub.FindingCount,
        ["duration_seconds"] = scrub.Duration?.ToTimeSpan().TotalSeconds,
        ["findings"] = scrub.Findings.Select(found => new Record { ["table"] = found.Table, ["row_id"] = found.RowId, ["finding"] = found.Finding }).ToList(),
    };
}
