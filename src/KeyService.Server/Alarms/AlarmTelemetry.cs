using System.Diagnostics.Metrics;
using KeyService.Server.Telemetry;

namespace KeyService.Server.Alarms;

/// <summary>The gauge of open alarms by kind and severity, as this server last knew them. A meter of its own: it goes with the server.</summary>
internal sealed class AlarmTelemetry : IHostedService, IDisposable
{
    private readonly Meter _meter = new(ServiceTelemetry.Name);

    public AlarmTelemetry(AlarmView view) => _meter.CreateObservableGauge(
        "keyservice.alarms.open",
        () => view.Counts().Select(each => new Measurement<int>(
            each.Count,
            new KeyValuePair<string, object?>("kind", AlarmKinds.NameOf(each.Kind)),
            new KeyValuePair<string, object?>("severity", each.Severity.ToString().ToLowerInvariant()))),
        "{alarm}",
        "Open alarms: the condition stands, or nobody has acknowledged it.");

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _meter.Dispose();
}
