using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Rotation;

/// <summary><c>keyservice rotation …</c></summary>
internal static class RotationCommands
{
    public static Command Create() => new("rotation", "See when keys are rotated, and which are too old") { Schedule(), Status() };

    private static Command Schedule()
    {
        var days = new Option<int?>("--days") { Description = "Only rotations within so many days (all)", HelpName = "DAYS" };
        return new Command("schedule", "List keys in the order of their rotation, the most pressing first") { days }.Runs(async run =>
        {
            using var client = run.Connect();
            var until = run.Get(days) is { } count ? TimeProvider.System.GetUtcNow().AddDays(count) : (DateTimeOffset?)null;
            await run.Report.WriteListAsync(
                client.Rotation.ListKeyAgesAsync(until, run.Cancellation).Select(Of), "No rotations.", run.Cancellation).ConfigureAwait(false);
        });
    }

    private static Command Status()
    {
        return new Command("status", "Count keys by age and show those that are due; exit code 1 when one is past its limit").Runs(async run =>
        {
            using var client = run.Connect();
            var status = await client.Rotation.GetStatusAsync(run.Cancellation).ConfigureAwait(false);
            var due = new List<KeyAge>();
            if (status.Due > 0)
            {
                await foreach (var key in client.Rotation.ListKeyAgesAsync(TimeProvider.System.GetUtcNow(), run.Cancellation).ConfigureAwait(false))
                {
                    due.Add(key);
                }
            }
            run.Report.Write(new Record
            {
                ["keys"] = status.Keys,
                ["due"] = status.Due,
                ["near"] = status.Near,
                ["to_prepare"] = status.ToPrepare,
                ["oldest_due_time"] = Times.Of(status.OldestDueTime),
                ["next_time"] = Times.Of(status.NextTime),
                ["rotates_here"] = status.RotatesHere,
                ["last_look_time"] = Times.Of(status.LastLookTime),
                ["due_keys"] = due.Select(Of).ToList(),
            });
            return due.Any(key => key.Standing == KeyAgeStanding.Overdue) ? ExitCode.Failed : ExitCode.Ok;
        });
    }

    private static Record Of(KeyAge key) => new Record
    {
        ["name"] = key.Name,
        ["standing"] = EnumNames.Of(key.Standing),
        ["state"] = EnumNames.Of(key.State),
        ["activate_time"] = Times.Of(key.ActivateTime),
        ["rotate_time"] = Times.Of(key.RotateTime),
        ["limit_time"] = Times.Of(key.LimitTime),
        ["waiting_versions"] = key.WaitingVersions,
    }
    .Detail("version", key.Version)
    .Detail("wraps_reserved", key.WrapsReserved);
}
