namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// Records that say how far followers of the log are, and follow from other records: they are delivered as all others, and alone they are no
/// reason to write that they were, or a log that nobody uses would grow for ever.
/// </summary>
internal static class Housekeeping
{
    public static bool Is(ushort eventId) => (AuditEvent)eventId
        is AuditEvent.AuditSinkAdvanced or AuditEvent.AuditCheckpointMade or AuditEvent.AuditDirectorySigned or AuditEvent.AuditLogMarked
        or AuditEvent.AuditIndexExtended or AuditEvent.DetectionAdvanced;
}
