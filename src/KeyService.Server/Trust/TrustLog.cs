namespace KeyService.Server.Trust;

/// <summary>Log events of the store's and the clock's trustworthiness, 6900 to 6949.</summary>
internal static partial class TrustLog
{
    [LoggerMessage(6900, LogLevel.Error, "The store was put back to an earlier day: {Difference}. Nothing is encrypted until an officer accepts it")]
    public static partial void Restored(ILogger logger, string difference);

    [LoggerMessage(6901, LogLevel.Warning, "The store as it stands was accepted by {Principal}: {Reason}")]
    public static partial void Accepted(ILogger logger, string principal, string reason);

    [LoggerMessage(6902, LogLevel.Warning, "{Path} was not written by this installation, or was changed; it is not used and written anew")]
    public static partial void ForeignFile(ILogger logger, string path);

    [LoggerMessage(6903, LogLevel.Warning, "What this server has seen of the store could not be read or kept; it is tried again")]
    public static partial void LookFailed(ILogger logger, Exception exception);

    [LoggerMessage(6904, LogLevel.Error, "The clock stands {Behind} before the latest time that was seen. Nothing is encrypted until it is right")]
    public static partial void ClockSetBack(ILogger logger, string behind);

    [LoggerMessage(6905, LogLevel.Information, "The clock is right again")]
    public static partial void ClockRight(ILogger logger);

    [LoggerMessage(6906, LogLevel.Warning, "The clock jumped forward by {Step}")]
    public static partial void ClockJumped(ILogger logger, string step);

    [LoggerMessage(6907, LogLevel.Information, "Scrub: {Summary}, in {Seconds:0.0} s")]
    public static partial void Scrubbed(ILogger logger, string summary, double seconds);

    [LoggerMessage(6908, LogLevel.Error, "Scrub: {Summary}, in {Seconds:0.0} s; the alarms and the audit log name them")]
    public static partial void ScrubFound(ILogger logger, string summary, double seconds);

    [LoggerMessage(6909, LogLevel.Warning, "The scrub could not be made; it is tried again")]
    public static partial void ScrubFailed(ILogger logger, Exception exception);

    [LoggerMessage(6910, LogLevel.Information, "{Rows} rows that were written before the log knew rows were put on record")]
    public static partial void AccountTaken(ILogger logger, long rows);

    [LoggerMessage(6911, LogLevel.Warning, "Changes of other servers could not be followed; it is tried again")]
    public static partial void FollowFailed(ILogger logger, Exception exception);

    [LoggerMessage(6912, LogLevel.Error, "The changes of rows are not in order: {Finding}. Everything is read anew")]
    public static partial void OutOfOrder(ILogger logger, string finding);

    [LoggerMessage(6913, LogLevel.Warning, "Because the database was restored, the rotation of {Keys} keys was asked for")]
    public static partial void RotationsRequested(ILogger logger, long keys);

    [LoggerMessage(6914, LogLevel.Warning, "Rotations that a restored database calls for could not be asked for; it is tried again")]
    public static partial void RotationsFailed(ILogger logger, Exception exception);
}
