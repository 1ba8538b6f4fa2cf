using System.Diagnostics;

namespace KeyService.Load;

/// <summary>Calls a second and latencies of a closed loop of N callers; medians over rounds are the caller's business.</summary>
internal sealed record Rate(double PerSecond, double P50Microseconds, double P99Microseconds, long Calls);

internal static class Measure
{
    public static async Task<Rate> ClosedLoopAsync(int inFlight, TimeSpan duration, Func<int, Task> call)
    {
        var latencies = new List<double>[inFlight];
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, inFlight).Select(async caller =>
        {
            var mine = latencies[caller] = new List<double>(65536);
            await Task.Yield();
            while (clock.Elapsed < duration)
            {
                var begin = Stopwatch.GetTimestamp();
                await call(caller);
                mine.Add(Stopwatch.GetElapsedTime(begin).TotalMicroseconds);
            }
        }));
        var seconds = clock.Elapsed.TotalSeconds;
        var all = latencies.SelectMany(l => l).ToArray();
        Array.Sort(all);
        return new Rate(all.Length / seconds, Percentile(all, 0.50), Percentile(all, 0.99), all.Length);
    }

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? double.NaN : Percentile(sorted, 0.5);
    }

    private static double Percentile(double[] sorted, double p) =>
        sorted.Length == 0 ? double.NaN : sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * p))];
}
