using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Audit;

/// <summary>A record of the log as it is shown.</summary>
internal static class AuditRecords
{
    public static Record Of(AuditRecord record) => new()
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

    public static string Line(AuditRecord record)
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
