using System.Globalization;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Alarms;

/// <summary>Alarms as results.</summary>
internal static class AlarmRecords
{
    public static Record Of(Alarm alarm) => new()
    {
        ["id"] = alarm.Id,
        ["kind"] = alarm.Kind,
        ["severity"] = EnumNames.Of(alarm.Severity),
        ["subject"] = alarm.Subject,
        ["message"] = alarm.Message,
        ["advice"] = alarm.Advice,
        ["open"] = alarm.Open,
        ["raise_time"] = Times.Of(alarm.RaiseTime),
        ["last_raise_time"] = Times.Of(alarm.LastRaiseTime),
        ["repeats"] = alarm.Repeats,
        ["clear_time"] = Times.Of(alarm.ClearTime),
        ["acknowledge_time"] = Times.Of(alarm.AcknowledgeTime),
        ["acknowledged_by"] = Absent(alarm.AcknowledgedBy),
        ["acknowledge_note"] = Absent(alarm.AcknowledgeNote),
        ["revision"] = alarm.Revision,
    };

    /// <summary>
    /// For a person: how bad, how old, what about, what is wrong, what to do next.
    /// </summary>
    public static string ToText(Alarm alarm, DateTimeOffset now)
    {
        var severity = alarm.Severity == AlarmSeverity.Critical ? "CRITICAL" : "warning ";
        var head = $"{severity}  {Age(now - (Times.Of(alarm.RaiseTime) ?? now)),4}  {alarm.Id}  {alarm.Kind} of {alarm.Subject}";
        var lines = new List<string> { head, $"                {alarm.Message}" };
        if (StateOf(alarm) is { } state)
        {
            lines.Add($"                {state}");
        }
        if (alarm.Open && alarm.ClearTime is null)
        {
            lines.Add($"                next: {alarm.Advice}");
        }
        if (alarm.Open && alarm.AcknowledgeTime is null)
        {
            lines.Add($"                then: keyservice alarms acknowledge {alarm.Id} --note \"...\"");
        }
        return string.Join('\n', lines.Select(Terminal.Printable));
    }

    /// <summary>"3d", "5h", "12m", "40s": one figure is enough.</summary>
    internal static string Age(TimeSpan age) => age switch
    {
        { TotalDays: >= 1 } => Whole(age.TotalDays, "d"),
        { TotalHours: >= 1 } => Whole(age.TotalHours, "h"),
        { TotalMinutes: >= 1 } => Whole(age.TotalMinutes, "m"),
        _ => Whole(Math.Max(0, age.TotalSeconds), "s"),
    };

    private static string Whole(double amount, string unit) => Math.Floor(amount).ToString("0", CultureInfo.InvariantCulture) + unit;

    private static string? StateOf(Alarm alarm)
    {
        var over = Times.Of(alarm.ClearTime) is { } time ? $"over since {Record.Time(time)}" : null;
        var acknowledged = Times.Of(alarm.AcknowledgeTime) is { } when
            ? $"acknowledged {Record.Time(when)} by {alarm.AcknowledgedBy}: {alarm.AcknowledgeNote}" : null;
        return over is null || acknowledged is null ? over ?? acknowledged : $"{over}; {acknowledged}";
    }

    private static string? Absent(string text) => text.Length == 0 ? null : text;
}
