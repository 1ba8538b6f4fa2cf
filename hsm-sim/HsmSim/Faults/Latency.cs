namespace HsmSim.Faults;

/// <summary>How long a call takes beside the real module's own time.</summary>
internal enum LatencyShape
{
    None,
    Fixed,
    Uniform,
    Normal,
    LogNormal,
}

/// <summary>
/// A distribution of times. Two numbers each: fixed (time), uniform (least, greatest), normal (mean, standard deviation; never below 0),
/// log-normal (median, and sigma of the logarithm). Seeded: the same calls in the same order wait the same times.
/// </summary>
internal sealed class Latency(LatencyShape shape, double first, double second, int seed)
{
    /// <summary>No call waits longer: a mistyped sigma must not look like a hang.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private readonly Lock turn = new();
    private readonly Random random = new(seed);

    internal TimeSpan Next()
    {
        var seconds = shape switch
        {
            LatencyShape.Fixed => first,
            LatencyShape.Uniform => first + ((second - first) * Draw()),
            LatencyShape.Normal => first + (second * Gauss()),
            LatencyShape.LogNormal => first * double.Exp(second * Gauss()),
            _ => 0,
        };
        return TimeSpan.FromSeconds(double.Clamp(seconds, 0, Longest.TotalSeconds));
    }

    private double Draw()
    {
        lock (turn)
        {
            return random.NextDouble();
        }
    }

    /// <summary>A standard normal number, by Box and Muller's transform.</summary>
    private double Gauss() => double.Sqrt(-2 * double.Log(1 - Draw())) * double.Cos(double.Tau * Draw());
}
