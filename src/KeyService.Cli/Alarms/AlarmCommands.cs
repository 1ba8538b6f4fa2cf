using System.CommandLine;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Alarms;

/// <summary><c>keyservice alarms …</c></summary>
internal static class AlarmCommands
{
    public static Command Create()
    {
        var watch = new Option<bool>("--watch") { Description = "Go on with what changes, until interrupted" };
        var all = new Option<bool>("--all") { Description = "Closed ones too, the newest first" };
        return new Command("alarms", "Show open alarms, critical ones first; exit code 10 when there are any") { watch, all, Acknowledge() }.Runs(async run =>
        {
            if (run.Get(watch) && run.Get(all))
            {
                throw CliError.Usage("--watch shows what is open; it does not go with --all.", "Give one of the two.");
            }
            return run.Get(watch) ? await WatchAsync(run).ConfigureAwait(false) : await ListAsync(run, run.Get(all)).ConfigureAwait(false);
        });
    }

    private static Command Acknowledge()
    {
        var id = new Argument<string>("ID") { Description = "Id of the alarm, 16 hexadecimal digits" };
        var note = new Option<string>("--note")
        {
            Description = "What was found and what is done about it; no patient data",
            HelpName = "TEXT",
            Required = true,
        };
        var requestId = GlobalOptions.RequestId();
        return new Command("acknowledge", "Take notice of an alarm: it is not told again, and closes when its condition is over") { id, note, requestId }
            .Runs(async run =>
            {
                using var client = run.Connect();
                run.Report.Write(AlarmRecords.Of(
                    await client.Alarms.AcknowledgeAsync(run.Get(id), run.Required(note), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
            });
    }

    private static async Task<int> ListAsync(Invocation run, bool all)
    {
        using var client = run.Connect();
        var now = TimeProvider.System.GetUtcNow();
        var open = 0;
        var shown = 0;
        await foreach (var alarm in client.Alarms.ListAsync(all, run.Cancellation).ConfigureAwait(false))
        {
            shown++;
            open += alarm.Open ? 1 : 0;
            run.Report.WriteLine(AlarmRecords.Of(alarm), AlarmRecords.ToText(alarm, now));
        }
        if (!run.Json && (shown == 0 || all))
        {
            run.Report.WriteText(open == 0 ? "No open alarms.\n" : $"{open} open alarm{(open == 1 ? "" : "s")}.\n");
        }
        return open == 0 ? ExitCode.Ok : ExitCode.AlarmsOpen;
    }

    private static async Task<int> WatchAsync(Invocation run)
    {
        using var client = run.Connect();
        var open = 0;
        await foreach (var alarm in client.Alarms.WatchAsync(run.Cancellation).ConfigureAwait(false))
        {
            if (alarm is not null)
            {
                open++;
                run.Report.WriteLine(AlarmRecords.Of(alarm), AlarmRecords.ToText(alarm, TimeProvider.System.GetUtcNow()));
            }
            else if (open == 0 && !run.Json)
            {
                run.Report.WriteText("No open alarms.\n");
            }
        }
        return ExitCode.Ok;
    }
}
