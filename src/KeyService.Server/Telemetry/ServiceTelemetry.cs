using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace KeyService.Server.Telemetry;

/// <summary>
/// The service's source of spans and its meter, both named "KeyService". Nobody listens unless telemetry is configured; then
/// starting a span costs a null check. No secret, no plaintext, no context value ever stands in a tag.
/// </summary>
internal static class ServiceTelemetry
{
    public const string Name = "KeyService";

    public static readonly ActivitySource Spans = new(Name);

    public static readonly Meter Meter = new(Name);

    /// <summary>Records that could not be made durable: every one is a call that was not answered.</summary>
    public static readonly Counter<long> AuditFailures = Meter.CreateCounter<long>(
        "keyservice.audit.failures", "{record}", "Audit records that could not be made durable.");
}
