namespace KeyService.Server.Alarms;

/// <summary>How soon somebody has to look. Numbers and names are frozen: they stand in rows, events and webhooks.</summary>
internal enum AlarmSeverity
{
    /// <summary>In the next days.</summary>
    Warning = 1,

    /// <summary>Now.</summary>
    Critical = 2,
}
