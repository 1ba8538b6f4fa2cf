namespace KeyService.Server.Backups;

/// <summary>Log events of backups.</summary>
internal static partial class BackupLog
{
    [LoggerMessage(7000, LogLevel.Information,
        "Bundle {Sequence} ({Kind}) stands verified at {Destination}: {Keys} keys, {Versions} versions, {Bytes} bytes, {Seconds:0.0} s")]
    public static partial void Written(
        this ILogger logger, long sequence, string kind, string destination, ulong keys, ulong versions, long bytes, double seconds);

    [LoggerMessage(7001, LogLevel.Information, "Bundle {Sequence} is being written to {Destination}: {Versions} versions so far")]
    public static partial void Writing(this ILogger logger, long sequence, string destination, long versions);

    [LoggerMessage(7002, LogLevel.Information, "Bundle {Sequence} stands verified at {Destination} too")]
    public static partial void Copied(this ILogger logger, long sequence, string destination);

    [LoggerMessage(7003, LogLevel.Warning, "The destination {Destination} fails; it is tried again: {Problem}")]
    public static partial void DestinationFailed(this ILogger logger, string destination, string problem);

    [LoggerMessage(7004, LogLevel.Warning, "Backups could not be looked after; it is tried again")]
    public static partial void Failed(this ILogger logger, Exception exception);

    [LoggerMessage(7005, LogLevel.Warning, "Bundle {Sequence} leaves {Count} versions out: {Finding}")]
    public static partial void LeftOut(this ILogger logger, long sequence, long count, string finding);
}
