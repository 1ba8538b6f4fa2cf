namespace KeyService.IntegrationTests.Sdk;

/// <summary>
/// The system's clock, with a monotonic clock and a time of day that a test can set ahead, each for itself. Timers run on the system's.
/// </summary>
internal sealed class FakeTime : TimeProvider
{
    private long monotonicAhead;
    private long dayAhead;

    public override long GetTimestamp() => base.GetTimestamp() + Volatile.Read(ref monotonicAhead);

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromTicks(Volatile.Read(ref dayAhead));

    /// <summary>Time passes: both clocks.</summary>
    public void Pass(TimeSpan span)
    {
        Interlocked.Add(ref monotonicAhead, (long)(span.TotalSeconds * TimestampFrequency));
        Interlocked.Add(ref dayAhead, span.Ticks);
    }

    /// <summary>Somebody sets the time of day, or the machine slept.</summary>
    public void SetDayAhead(TimeSpan span) => Interlocked.Add(ref dayAhead, span.Ticks);
}
