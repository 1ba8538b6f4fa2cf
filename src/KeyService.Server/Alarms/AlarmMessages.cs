using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Alarms;

/// <summary>Between alarms.proto and <see cref="Alarm"/>.</summary>
internal static class AlarmMessages
{
    private const int IdLength = 16;
    private const int MaxNoteLength = 1024;

    public static Wire.Alarm ToMessage(this Alarm alarm) => new()
    {
        Id = alarm.IdText,
        Kind = AlarmKinds.NameOf(alarm.Kind),
        Subject = alarm.Subject,
        Message = alarm.Message,
        Advice = AlarmKinds.AdviceOf(alarm.Kind),
        Severity = (Wire.AlarmSeverity)alarm.Severity,
        RaiseTime = alarm.RaiseTime.ToTimestamp(),
        LastRaiseTime = alarm.LastRaiseTime.ToTimestamp(),
        Repeats = alarm.Repeats,
        ClearTime = alarm.ClearTime?.ToTimestamp(),
        AcknowledgeTime = alarm.Acknowledgement?.Time.ToTimestamp(),
        AcknowledgedBy = alarm.Acknowledgement?.By ?? "",
        AcknowledgeNote = alarm.Acknowledgement?.Note ?? "",
        Open = alarm.IsOpen,
        Revision = alarm.Revision,
    };

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static ulong IdOf(AcknowledgeAlarmRequest request) =>
        request.Id.Length == IdLength && ulong.TryParse(request.Id, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id)
            ? id : throw Refusal.InvalidArgument("id", "must be 16 hexadecimal digits");

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static string NoteOf(AcknowledgeAlarmRequest request) =>
        request.Note.Length is >= 1 and <= MaxNoteLength && !request.Note.Any(char.IsControl) && !string.IsNullOrWhiteSpace(request.Note)
            ? request.Note : throw Refusal.InvalidArgument("note", "must be 1 to 1,024 characters without control characters, saying what is done about it");
}
