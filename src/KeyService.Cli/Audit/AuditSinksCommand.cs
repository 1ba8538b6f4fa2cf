using System.CommandLine;
using System.Globalization;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit sinks</c></summary>
internal static class AuditSinksCommand
{
    public static Command Create() => new Command("sinks", "Show where the log is delivered to and what each sink lacks; exit code 5 when one takes nothing")
        .Runs(async run =>
        {
            using var client = run.Connect();
            var failing = 0;
            var sinks = await client.Audit.SinksAsync(run.Cancellation).ConfigureAwait(false);
            foreach (var sink in sinks)
            {
                failing += sink.State == AuditSinkState.Failing ? 1 : 0;
                run.Report.WriteLine(Of(sink), Line(sink));
            }

            if (sinks.Count == 0 && !run.Json)
            {
                run.Report.WriteText("No sinks are configured.\n");
            }

            return failing == 0 ? ExitCode.Ok : ExitCode.Unavailable;
        });

    private static Record Of(AuditSink sink) => new()
    {
        ["name"] = sink.Name,
        ["kind"] = sink.Kind,
        ["target"] = sink.Target,
        ["state"] = EnumNames.Of(sink.State),
        ["lag_records"] = sink.LagRecords,
        ["oldest_missing_time"] = Times.Of(sink.OldestMissingTime),
        ["confirm_time"] = Times.Of(sink.ConfirmTime),
        ["failing_since"] = Times.Of(sink.FailingSince),
        ["last_error"] = sink.LastError.Length == 0 ? null : sink.LastError,
        ["here"] = sink.Here,
        ["positions"] = string.Join(' ', sink.Positions.Select(each => string.Create(CultureInfo.InvariantCulture, $"{each.LogSlot}/{each.NextSequence}"))),
    };

    private static string Line(AuditSink sink)
    {
        var confirmed = Times.Of(sink.ConfirmTime) is { } time ? $"confirmed {Record.Time(time)}" : "nothing confirmed yet";
        var line = $"{EnumNames.Of(sink.State),-10} {sink.Name}  {sink.Kind} {sink.Target}  lacks {sink.LagRecords} records, {confirmed}";
        return sink.LastError.Length == 0
            ? Terminal.Printable(line)
            : $"{Terminal.Printable(line)}\n           since {Record.Time(Times.Of(sink.FailingSince) ?? default)}: {Terminal.Printable(sink.LastError)}";
    }
}
