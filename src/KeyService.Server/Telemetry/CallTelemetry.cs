using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using KeyService.Server.Audit;

namespace KeyService.Server.Telemetry;

/// <summary>Span and metrics of a call. What is measured is what was recorded: method, key, outcome, reason, items.</summary>
internal static class CallTelemetry
{
    /// <summary>Keys that get a series of their own; the rest share one named "other", so that a million keys are no million
    /// series.</summary>
    internal const int MaxKeySeries = 500;

    private const string OtherKeys = "other";
    private static readonly ConcurrentDictionary<string, bool> KeySeries = new(StringComparer.Ordinal);

    private static readonly Histogram<double> Durations = ServiceTelemetry.Meter.CreateHistogram<double>(
        "keyservice.call.duration", "s", "Time of a call from its first byte to its answer, by method and outcome.");

    private static readonly Counter<long> Operations = ServiceTelemetry.Meter.CreateCounter<long>(
        "keyservice.operations", "{item}", "Items worked on, by method, key and outcome.");

    private static readonly Counter<long> Refused = ServiceTelemetry.Meter.CreateCounter<long>(
        "keyservice.call.overloaded", "{call}", "Calls refused for want of a place; not in the audit log.");

    /// <summary>The span of a call, a child of the caller's when it sent a traceparent header.</summary>
    public static Activity? Start(HttpContext context, string method)
    {
        if (!ServiceTelemetry.Spans.HasListeners())
            return null;
        // The web server's own activity is not exported: a span under it would have a parent that nobody ever sees.
        Activity.Current = null;
        _ = ActivityContext.TryParse(
            context.Request.Headers.TraceParent, context.Request.Headers.TraceState, isRemote: true, out var parent);
        var span = ServiceTelemetry.Spans.StartActivity(method.TrimStart('/'), ActivityKind.Server, parent);
        span?.SetTag("rpc.system", "grpc");
        return span;
    }

    public static void Overloaded() => Refused.Add(1);

    /// <summary>When the call has ended and its record is filled.</summary>
    public static void End(Activity? span, string method, AuditRecordDraft record, TimeSpan duration)
    {
        var outcome = record.Outcome.ToString().ToLowerInvariant();
        if (Durations.Enabled)
        {
            Durations.Record(
                duration.TotalSeconds,
                new KeyValuePair<string, object?>("rpc.method", method),
                new KeyValuePair<string, object?>("outcome", outcome),
                new KeyValuePair<string, object?>("reason", record.Reason));
        }
        if (Operations.Enabled)
        {
            Operations.Add(
                Math.Max(1, record.ItemCount),
                new KeyValuePair<string, object?>("rpc.method", method),
                new KeyValuePair<string, object?>("key", SeriesOf(record)),
                new KeyValuePair<string, object?>("outcome", outcome));
        }
        if (span is null)
            return;
        span.SetTag("rpc.method", method);
        span.SetTag("keyservice.principal", record.Principal);
        span.SetTag("keyservice.key", record.Key);
        span.SetTag("keyservice.outcome", outcome);
        span.SetTag("keyservice.items", record.ItemCount);
        if (record.Reason.Length > 0)
            span.SetTag("keyservice.reason", record.Reason).SetStatus(ActivityStatusCode.Error);
    }

    // A refused caller can name anything: only keys that an allowed call touched get a series.
    private static string SeriesOf(AuditRecordDraft record)
    {
        if (record.Key.Length == 0)
            return "";
        if (KeySeries.ContainsKey(record.Key))
            return record.Key;
        return record.Outcome == AuditOutcome.Success && KeySeries.Count < MaxKeySeries && KeySeries.TryAdd(record.Key, true) ? record.Key
            : OtherKeys;
    }
}
