using System.CommandLine;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit …</c></summary>
internal static class AuditCommands
{
    public static Command Create() => new("audit", "Read, export and verify the audit log")
    {
        Tail(), AuditSearchCommand.Create(), AuditExportCommand.Create(), AuditVerifyCommand.Create(), AuditProveCommand.Create(), AuditVerifyProofCommand.Create(),
        AuditKeyCommands.Key(), AuditKeyCommands.Rotate(), AuditKeyCommands.Checkpoint(), AuditArchiveCommand.Create(), AuditRetentionCommands.List(), AuditRetentionCommands.Delete(), AuditSinksCommand.Create(),
    };

    private static Command Tail()
    {
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on with what is recorded later, until interrupted" };
        var lines = new Option<int>("--lines", "-n")
        {
            Description = "How many of the last records to begin with",
            HelpName = "COUNT",
            DefaultValueFactory = _ => 20,
        };
        lines.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 0)
            {
                result.AddError("--lines is 0 or more.");
            }
        });
        return new Command("tail", "Show the last records, oldest first") { follow, lines }.Runs(async run =>
        {
            using var client = run.Connect();
            // A negative start counts from the end; none wanted is a start that no record has yet reached.
            var start = run.Required(lines) is 0 ? long.MaxValue : -(long)run.Required(lines);
            await foreach (var record in client.Audit.TailAsync(start, run.Get(follow), run.Cancellation).ConfigureAwait(false))
            {
                run.Report.WriteLine(AuditRecords.Of(record), AuditRecords.Line(record));
            }
        });
    }
}
