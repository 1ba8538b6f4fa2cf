using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit archives</c> and <c>keyservice audit delete</c></summary>
internal static class AuditRetentionCommands
{
    public static Command List() => new Command("archives", "List the months of the log that stand in files for keeping").Runs(async run =>
    {
        using var client = run.Connect();
        var list = await client.Retention.ListAsync(run.Cancellation).ConfigureAwait(false);
        foreach (var archive in list.Archives)
        {
            run.Report.WriteLine(Of(archive), Line(archive));
        }

        if (!run.Json && !run.Quiet)
        {
            await Console.Error.WriteLineAsync(
                list.NextMonth.Length > 0 ? $"Next to be archived: {list.NextMonth}." : "Every month that is over stands in an archive.").ConfigureAwait(false);
        }
    });

    public static Command Delete()
    {
        var month = new Argument<string>("MONTH") { Description = "UTC, for example 2020-10" };
        var reason = new Option<string>("--reason") { Description = "Why", HelpName = "TEXT", Required = true };
        var requestId = GlobalOptions.RequestId();
        return new Command("delete", "Delete the records of a month and of those before it, whose years of retention are over") { month, reason, requestId }
            .WithNotes("""
                Refused for records that must still be kept (six years after the end of their month, or more by configuration), and for months that stand in
                no archive. What follows still verifies. It cannot be undone; the archives are the only copies then.
                """)
            .Runs(async run =>
            {
                using var client = run.Connect();
                foreach (var archive in await client.Retention.DeleteAsync(run.Get(month), run.Required(reason), run.Get(requestId), run.Cancellation)
                    .ConfigureAwait(false))
                {
                    run.Report.WriteLine(Of(archive), Line(archive));
                }
            });
    }

    internal static Record Of(Archive archive) => new Record
    {
        ["month"] = archive.Month,
        ["records"] = archive.Slots.Sum(slot => slot.Count),
        ["location"] = archive.Location,
        ["file_length"] = archive.FileLength,
        ["file_sha256"] = Convert.ToHexStringLower(archive.FileSha256.Span),
        ["keep_until"] = Times.Of(archive.KeepUntil),
        ["delete_time"] = Times.Of(archive.DeleteTime),
    }
    .Detail("deleted_by", archive.DeletedBy)
    .Detail("directory_size", archive.DirectorySize)
    .Detail("register_time", Times.Of(archive.RegisterTime))
    .Detail("registered_by", archive.RegisteredBy)
    .Detail("slots", archive.Slots.Select(slot => new Record
    {
        ["log_slot"] = slot.LogSlot, ["first_sequence"] = slot.FirstSequence, ["records"] = slot.Count,
    }).ToList());

    internal static string Line(Archive archive) =>
        $"{archive.Month} {archive.Slots.Sum(slot => slot.Count)} records, {(archive.DeleteTime is { } time ? $"deleted {Times.Of(time)}" : $"kept here until {archive.KeepUntil.ToDateTime():yyyy-MM-dd} at least")}, {archive.Location}";
}
