using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace KeyService.Hsm.Connection;

/// <summary>
/// A span and a duration for every call into the module, under the name "KeyService.Hsm". Nobody listening costs two null checks.
/// A span says which operation and how it ended; no key, no bytes.
/// </summary>
internal static class HsmDiagnostics
{
    private const string Name = "KeyService.Hsm";
    private const string OperationTag = "hsm.operation";
    private const string FaultTag = "hsm.fault";
    private static readonly ActivitySource Spans = new(Name);
    private static readonly Meter Meter = new(Name);

    private static readonly Histogram<double> Durations = Meter.CreateHistogram<double>(
        "keyservice.hsm.duration", "s", "Time of an operation inside the PKCS#11 module.");

    internal static Measurement Start(string operation) => new(operation);

    /// <summary>One operation, from its session to its result.</summary>
    internal readonly struct Measurement
    {
        private readonly string operation = "";
        private readonly Activity? span;
        private readonly long started;

        internal Measurement(string caller)
        {
            if (!Durations.Enabled && !Spans.HasListeners())
            {
                return;
            }
            operation = caller.EndsWith("Async", StringComparison.Ordinal) ? caller[..^5] : caller;
            span = Spans.HasListeners() ? Spans.StartActivity($"hsm {operation}", ActivityKind.Client) : null;
            started = Durations.Enabled ? Stopwatch.GetTimestamp() : 0;
        }

        internal void End(HsmException? failure)
        {
            if (started != 0)
            {
                Durations.Record(
                    Stopwatch.GetElapsedTime(started).TotalSeconds,
                    new KeyValuePair<string, object?>(OperationTag, operation),
                    new KeyValuePair<string, object?>(FaultTag, failure is null ? "none" : failure.Fault.ToString()));
            }
            if (span is null)
            {
                return;
            }
            span.SetTag(OperationTag, operation);
            if (failure is not null)
            {
                span.SetTag(FaultTag, failure.Fault.ToString());
                span.SetTag("hsm.function", failure.Function);
                span.SetTag("hsm.return_code", failure.ReturnCodeName);
                span.SetStatus(ActivityStatusCode.Error);
            }
            span.Dispose();
        }
    }
}
