using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Reviews;

/// <summary>Findings and signed months as they are shown.</summary>
internal static class ReviewRecords
{
    public static Record Of(Finding finding) => new()
    {
        ["id"] = finding.Id,
        ["rule"] = finding.Rule,
        ["subject"] = finding.Subject,
        ["message"] = finding.Message,
        ["log_slot"] = finding.LogSlot,
        ["sequence"] = finding.Sequence,
        ["record_time"] = Times.Of(finding.RecordTime),
        ["make_time"] = Times.Of(finding.MakeTime),
        ["month"] = finding.Month,
        ["assignee"] = Absent(finding.Assignee),
        ["assign_time"] = Times.Of(finding.AssignTime),
        ["open"] = finding.Open,
        ["disposition"] = finding.Open ? null : EnumNames.Of(finding.Disposition),
        ["note"] = Absent(finding.Note),
        ["closed_by"] = Absent(finding.ClosedBy),
        ["close_time"] = Times.Of(finding.CloseTime),
    };

    public static string Line(Finding finding)
    {
        var state = finding.Open ? finding.Assignee.Length == 0 ? "open" : $"open, {finding.Assignee} looks into it" : $"{EnumNames.Of(finding.Disposition)}, {finding.ClosedBy}: {finding.Note}";
        return Terminal.Printable($"{finding.Id}  {Record.Time(Times.Of(finding.RecordTime) ?? default)}  {finding.Rule,-24} {state}") + "\n"
            + Terminal.Printable($"                  {finding.Message} Record {finding.LogSlot}/{finding.Sequence}.");
    }

    public static Record Of(SignOff signOff) => new()
    {
        ["month"] = signOff.Month,
        ["reviewer"] = signOff.Reviewer,
        ["findings"] = signOff.Findings,
        ["sign_time"] = Times.Of(signOff.SignTime),
        ["note"] = signOff.Note.ToStringUtf8(),
    };

    public static string Line(SignOff signOff) =>
        Terminal.Printable($"{signOff.Month}  {signOff.Reviewer}  {signOff.Findings} findings  signed {Record.Time(Times.Of(signOff.SignTime) ?? default)}");

    private static string? Absent(string text) => text.Length == 0 ? null : text;
}
