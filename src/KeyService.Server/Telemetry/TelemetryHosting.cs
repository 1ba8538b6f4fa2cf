using KeyService.Server.Hosting;
using KeyService.Server.SystemStatus;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace KeyService.Server.Telemetry;

/// <summary>OpenTelemetry over OTLP: traces, metrics and logs, when an endpoint is configured; otherwise nothing is collected.</summary>
internal static class TelemetryHosting
{
    /// <summary>Spans come from the service, its HSM binding and its store.</summary>
    private static readonly string[] SpanSources = [ServiceTelemetry.Name, "KeyService.Hsm"];

    /// <summary>ASP.NET Core's own meters for connections and TLS stand beside the service's.</summary>
    private static readonly string[] Meters =
        [ServiceTelemetry.Name, "KeyService.Hsm", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime"];

    public static IServiceCollection AddTelemetry(this IServiceCollection services, TelemetryConfiguration telemetry)
    {
        if (telemetry.OtlpEndpoint is not { } endpoint)
            return services;
        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("keyservice", serviceVersion: SystemRpcs.Version))
            .WithTracing(tracing => tracing
                .AddSource(SpanSources)
                .SetSampler(new ParentBasedSampler(new TraceIdRatioBasedSampler(telemetry.TraceRatio)))
                .AddOtlpExporter(options => Configure(options, endpoint, telemetry.Protocol, "v1/traces")))
            .WithMetrics(metrics => metrics
                .AddMeter(Meters)
                .AddOtlpExporter((options, reader) =>
                {
                    Configure(options, endpoint, telemetry.Protocol, "v1/metrics");
                    reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds =
                        (int)telemetry.MetricInterval.TotalMilliseconds;
                }))
            .WithLogging(
                logging => logging.AddOtlpExporter(options => Configure(options, endpoint, telemetry.Protocol, "v1/logs")),
                options => options.IncludeFormattedMessage = true);
        return services;
    }

    private static void Configure(OtlpExporterOptions options, Uri endpoint, OtlpTransport protocol, string path)
    {
        options.Protocol = protocol == OtlpTransport.Grpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        // Set by code, the exporter takes the address as it is: over HTTP each signal has its path (OTLP 1.x).
        options.Endpoint = protocol == OtlpTransport.Grpc ? endpoint : new Uri(endpoint.ToString().TrimEnd('/') + "/" + path);
    }
}
