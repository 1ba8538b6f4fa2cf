using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>
/// What the meter <c>KeyService.Client</c> counted of this test alone: the meter is the process's, so only what is counted in the flow of execution
/// that made this object, and in tasks begun there, is taken.
/// </summary>
internal sealed class CountedMetrics : IDisposable
{
    private static readonly AsyncLocal<CountedMetrics?> Current = new();
    private readonly MeterListener listener = new();
    private readonly ConcurrentDictionary<string, double> counts = new(StringComparer.Ordinal);

    public CountedMetrics()
    {
        Current.Value = this;
        listener.InstrumentPublished = (instrument, all) =>
        {
            if (instrument.Meter.Name == "KeyService.Client")
            {
                all.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => Count(instrument, value));
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => Count(instrument, value));
        listener.Start();
    }

    /// <summary>Sum of what was counted under <c>keyservice.client.</c><paramref name="name"/>.</summary>
    public double this[string name] => counts.GetValueOrDefault("keyservice.client." + name);

    public void Dispose() => listener.Dispose();

    private void Count(Instrument instrument, double value)
    {
        if (Current.Value == this)
        {
            counts.AddOrUpdate(instrument.Name, value, (_, before) => before + value);
        }
    }
}
