using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Detection;

/// <summary>Between reviews.proto and the rows.</summary>
internal static class ReviewMessages
{
    private const int IdLength = 16;
    private const int MaxNoteLength = 1024;

    public static Finding ToMessage(this FindingRow row) => new()
    {
        Id = row.IdText,
        Rule = DetectionRules.NameOf(row.RuleKind),
        Subject = row.Subject,
        Message = row.Message,
        LogSlot = (int)row.Slot,
        Sequence = row.Sequence,
        RecordTime = row.RecordTime.ToTimestamp(),
        MakeTime = row.MakeTime.ToTimestamp(),
        Month = row.Month,
        Assignee = row.Assignee ?? "",
        AssignTime = TimeOf(row.AssignedAt),
        Open = row.IsOpen,
        Disposition = (FindingDisposition)row.Disposition,
        Note = row.Note ?? "",
        ClosedBy = row.ClosedBy ?? "",
        CloseTime = TimeOf(row.ClosedAt),
    };

    public static SignOff ToMessage(this SignOffRow row) => new()
    {
        Month = row.Month, Reviewer = row.Reviewer, Findings = row.Findings, SignTime = TimeOf(row.SignedAt), Note = ByteString.CopyFrom(row.Note),
    };

    /// <summary>For example "false-positive".</summary>
    public static string NameOf(Disposition disposition) => KebabName.Of(disposition.ToString());

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static long IdOf(string id) => id.Length == IdLength && long.TryParse(id, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number)
        ? number : throw Refusal.InvalidArgument("id", "must be 16 hexadecimal digits");

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static Disposition DispositionOf(CloseFindingRequest request) =>
        (Disposition)request.Disposition is var disposition && disposition != Disposition.None && System.Enum.IsDefined(disposition)
            ? disposition : throw Refusal.InvalidArgument("disposition", "must say what the finding turned out to be");

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static string NoteOf(CloseFindingRequest request) =>
        request.Note.Length is >= 1 and <= MaxNoteLength && !request.Note.Any(char.IsControl) && !string.IsNullOrWhiteSpace(request.Note)
            ? request.Note : throw Refusal.InvalidArgument("note", "must be 1 to 1,024 characters without control characters, saying what was found out");

    private static Timestamp? TimeOf(long? nanoseconds) => nanoseconds is { } some ? UnixTime.FromNanoseconds(some).ToTimestamp() : null;
}
