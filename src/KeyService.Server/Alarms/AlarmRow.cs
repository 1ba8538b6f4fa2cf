using System.Globalization;
using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Alarms;

/// <summary>An alarm as its table has it.</summary>
internal sealed class AlarmRow
{
    public long Id { get; set; }

    public long Kind { get; set; }

    public string Subject { get; set; } = "";

    public string Message { get; set; } = "";

    public long Severity { get; set; }

    public long RaisedAt { get; set; }

    public long LastRaisedAt { get; set; }

    public long Repeats { get; set; }

    public long? ClearedAt { get; set; }

    public long? AcknowledgedAt { get; set; }

    public string? AcknowledgedBy { get; set; }

    public string? AcknowledgedNote { get; set; }

    public long Revision { get; set; }

    public byte[] Mac { get; set; } = [];

    public string IdText => Id.ToString("x16", CultureInfo.InvariantCulture);

    public static AlarmRow Of(Alarm alarm) => new()
    {
        Id = unchecked((long)alarm.Id),
        Kind = (long)alarm.Kind,
        Subject = alarm.Subject,
        Message = alarm.Message,
        Severity = (long)alarm.Severity,
        RaisedAt = UnixTime.Nanoseconds(alarm.RaiseTime),
        LastRaisedAt = UnixTime.Nanoseconds(alarm.LastRaiseTime),
        Repeats = alarm.Repeats,
        ClearedAt = alarm.ClearTime is { } cleared ? UnixTime.Nanoseconds(cleared) : null,
        AcknowledgedAt = alarm.Acknowledgement is { } acknowledged ? UnixTime.Nanoseconds(acknowledged.Time) : null,
        AcknowledgedBy = alarm.Acknowledgement?.By,
        AcknowledgedNote = alarm.Acknowledgement?.Note,
        Revision = alarm.Revision,
    };

    public byte[] Canonical() => RowMac.Row(AlarmTable.Name)
        .AddInt64(Id).AddInt64(Kind).AddString(Subject).AddString(Message).AddInt64(Severity).AddInt64(RaisedAt).AddInt64(LastRaisedAt)
        .AddInt64(Repeats).AddInt64(ClearedAt).AddInt64(AcknowledgedAt).AddString(AcknowledgedBy).AddString(AcknowledgedNote).AddInt64(Revision)
        .ToArray();

    /// <summary>Only of a verified row, or to find out whether it is the verified one.</summary>
    public Alarm ToAlarm() => new()
    {
        Id = unchecked((ulong)Id),
        Kind = (AlarmKind)Kind,
        Subject = Subject,
        Message = Message,
        Severity = (AlarmSeverity)Severity,
        RaiseTime = UnixTime.FromNanoseconds(RaisedAt),
        LastRaiseTime = UnixTime.FromNanoseconds(LastRaisedAt),
        Repeats = Repeats,
        ClearTime = ClearedAt is { } cleared ? UnixTime.FromNanoseconds(cleared) : null,
        Acknowledgement = AcknowledgedAt is { } time
            ? new Acknowledgement(UnixTime.FromNanoseconds(time), AcknowledgedBy ?? "", AcknowledgedNote ?? "") : null,
        Revision = Revision,
    };
}
