namespace KeyService.Server.Alarms;

/// <summary>Why an alarm is told. The names stand in webhooks, in lower case.</summary>
internal enum AlarmNews
{
    /// <summary>It is new, came back, or became worse.</summary>
    Raised = 1,

    /// <summary>Nobody has acknowledged it for a while.</summary>
    Repeated = 2,

    /// <summary>Its condition is over.</summary>
    Cleared = 3,

    Acknowledged = 4,
}
