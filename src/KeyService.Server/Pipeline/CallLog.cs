using KeyService.Server.Hosting;

namespace KeyService.Server.Pipeline;

/// <summary>Log events of the pipeline, 4000 to 4099.</summary>
internal sealed partial class CallLog(ILogger<CallLog> logger, TimeProvider time)
{
    private const int MaxMethodLength = 128;
    private readonly PacedCount _overloaded = new(time);

    [LoggerMessage(4000, LogLevel.Error, "A defect in {Method}, trace {TraceId}")]
    private static partial void Defect(ILogger logger, string method, string traceId, Exception exception);

    [LoggerMessage(4001, LogLevel.Error, "The record of trace {TraceId} could not be made durable; nothing was answered")]
    private static partial void NotRecorded(ILogger logger, string traceId, Exception exception);

    [LoggerMessage(4002, LogLevel.Warning, "Refused {Count} calls for want of a place since the last such line, {Method} the last")]
    private static partial void Overloaded(ILogger logger, long count, string? method);

    [LoggerMessage(4003, LogLevel.Warning, "{Method} failed with {Reason}, trace {TraceId}")]
    private static partial void Failed(ILogger logger, string method, string reason, string traceId, Exception exception);

    [LoggerMessage(4004, LogLevel.Information, "{Method} was refused with {Reason}, trace {TraceId}")]
    private static partial void Refused(ILogger logger, string method, string reason, string traceId);

    public void Refused(string method, string reason, string traceId) => Refused(logger, method, reason, traceId);

    public void Defect(string method, string traceId, Exception exception) => Defect(logger, method, traceId, exception);

    public void NotRecorded(string traceId, Exception exception) => NotRecorded(logger, traceId, exception);

    public void Overloaded(string? method)
    {
        if (_overloaded.Add(out var count))
            Overloaded(logger, count, OneLine.Of(method ?? "", MaxMethodLength));
    }

    public void Failed(string method, string reason, string traceId, Exception exception) =>
        Failed(logger, method, reason, traceId, exception);
}
