namespace KeyService.Server.Alarms;

/// <summary>
/// Tells an alarm outside the service: a line of log, which is the OTLP event too (its fields are the log record's attributes), and the
/// webhook when one is configured. Never waits and never throws.
/// </summary>
internal sealed partial class AlarmTeller(ILogger<AlarmTeller> logger, WebhookQueue? webhook = null)
{
    public void Tell(AlarmNews news, Alarm alarm)
    {
        var kind = AlarmKinds.NameOf(alarm.Kind);
        switch (news)
        {
            case AlarmNews.Raised:
                Raised(logger, LevelOf(alarm), kind, alarm.Subject, alarm.Message, alarm.Severity, alarm.IdText);
                break;
            case AlarmNews.Repeated:
                Repeated(logger, LevelOf(alarm), kind, alarm.Subject, alarm.RaiseTime, alarm.Message, alarm.Severity, alarm.IdText, alarm.Repeats, alarm.Stands);
                break;
            case AlarmNews.Cleared:
                Cleared(logger, kind, alarm.Subject, alarm.IdText);
                break;
            default:
                Acknowledged(logger, kind, alarm.Subject, alarm.Acknowledgement?.By, alarm.IdText);
                break;
        }

        webhook?.Add(news, alarm);
    }

    private static LogLevel LevelOf(Alarm alarm) => alarm.Severity == AlarmSeverity.Critical ? LogLevel.Error : LogLevel.Warning;

    [LoggerMessage(EventId = 6000, Message = "Alarm {Kind} of {Subject}: {Message} ({Severity}, {AlarmId})")]
    private static partial void Raised(
        ILogger logger, LogLevel level, string kind, string subject, string message, AlarmSeverity severity, string alarmId);

    [LoggerMessage(6001, LogLevel.Information, "Alarm {Kind} of {Subject}: the condition is over ({AlarmId})")]
    private static partial void Cleared(ILogger logger, string kind, string subject, string alarmId);

    [LoggerMessage(EventId = 6002, Message = "Alarm {Kind} of {Subject}, raised {RaiseTime:u} and not acknowledged: {Message} ({Severity}, {AlarmId}, told again {Repeats} times, stands: {Stands})")]
    private static partial void Repeated(
        ILogger logger, LogLevel level, string kind, string subject, DateTimeOffset raiseTime, string message, AlarmSeverity severity, string alarmId, long repeats, bool stands);

    [LoggerMessage(6003, LogLevel.Information, "Alarm {Kind} of {Subject}: acknowledged by {Principal} ({AlarmId})")]
    private static partial void Acknowledged(ILogger logger, string kind, string subject, string? principal, string alarmId);
}
