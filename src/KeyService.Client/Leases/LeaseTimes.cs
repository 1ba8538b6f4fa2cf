namespace KeyService.Client;

/// <summary>A policy in timestamps of one clock. Leases live on the monotonic clock: setting the time of day moves none.</summary>
internal sealed class LeaseTimes(LeasePolicy policy, TimeProvider time)
{
    public LeasePolicy Policy { get; } = policy;

    public TimeProvider Time { get; } = time;

    public long Frequency { get; } = time.TimestampFrequency;

    public long MaxAge { get; } = Ticks(policy.MaxAge, time);

    public long Grace { get; } = Ticks(policy.Grace, time);

    public long KeyLifetime { get; } = Ticks(policy.KeyLifetime, time);

    public long Now => Time.GetTimestamp();

    public static long Ticks(TimeSpan span, TimeProvider time) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
