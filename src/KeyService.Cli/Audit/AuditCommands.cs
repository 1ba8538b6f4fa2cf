using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit …</c></summary>
internal static class AuditCommands
{
    public static Command Create() => new("audit", "Read the audit log") { Tail() };

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
                run.Report.WriteLine(Of(record), Line(record));
            }
        });
    }

    private static Record Of(AuditRecord record) => new()
    {
        ["log_slot"] = record.LogSlot,
        ["sequence"] = record.Sequence,
        ["time"] = Times.Of(record.Time),
        ["event_id"] = record.EventId,
        ["event"] = record.Event,
        ["type"] = EnumNames.Of(record.Type),
        ["outcome"] = EnumNames.Of(record.Outcome),
        ["reason"] = Absent(record.Reason),
        ["principal"] = Absent(record.Principal),
        ["source"] = Absent(record.Source),
        ["key"] = Absent(record.Key),
        ["key_version"] = Absent(record.KeyVersion),
        ["item_count"] = record.ItemCount,
        ["trace_id"] = Absent(record.TraceId),
        ["request_id"] = Absent(record.RequestId),
        ["canonical"] = Convert.ToBase64String(record.Canonical.Span),
    };

    private static string Line(AuditRecord record)
    {
        var time = Record.Time(record.Time?.ToDateTimeOffset() ?? default);
        var reason = record.Reason.Length == 0 ? "" : " " + record.Reason;
        var key = record.Key.Length == 0 ? "" : " key=" + record.Key;
        var items = record.ItemCount > 1 ? $" items={record.ItemCount}" : "";
        return Terminal.Printable(
            $"{time} {record.LogSlot}/{record.Sequence,-8} {EnumNames.Of(record.Outcome),-7} {record.Event,-24} "
            + $"{Record.Text(record.Principal)}{key}{items}{reason}");
    }

    private static string? Absent(string text) => text.Length == 0 ? null : text;
}
