using System.Diagnostics.Metrics;
using KeyService.Server.Telemetry;

namespace KeyService.Server.Audit.Sinks;

/// <summary>Gauges of the sinks that this server delivers to. A meter of its own: it goes with the server.</summary>
internal sealed class SinkTelemetry : IHostedService, IDisposable
{
    private readonly Meter _meter = new(ServiceTelemetry.Name);

    public SinkTelemetry(SinkWorker worker, TimeProvider time)
    {
        _meter.CreateObservableGauge(
            "keyservice.audit.sink.lag", () => worker.Known().Select(each => Of(each.Sink, each.Status.LagRecords)),
            "{record}", "Committed records that a sink does not have.");
        _meter.CreateObservableGauge(
            "keyservice.audit.sink.age",
            () => worker.Known().Select(each => Of(
                each.Sink, each.Status.OldestMissing is { } oldest ? Math.Max(0, (time.GetUtcNow() - oldest).TotalSeconds) : 0)),
            "s", "Age of the oldest record that a sink does not have.");
        _meter.CreateObservableCounter(
            "keyservice.audit.sink.delivered", () => worker.Known().Select(each => Of(each.Sink, each.Status.Delivered)),
            "{record}", "Records that a sink was sent, again and again included.");
        _meter.CreateObservableGauge(
            "keyservice.audit.sink.failing", () => worker.Known().Select(each => Of(each.Sink, each.Status.Row.FailingSince is null ? 0 : 1)),
            "{sink}", "1 while a sink takes nothing.");
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _meter.Dispose();

    private static Measurement<T> Of<T>(SinkConfiguration sink, T value)
        where T : struct => new(value, new KeyValuePair<string, object?>("sink", sink.Name), new KeyValuePair<string, object?>("kind", sink.Kind));
}
