namespace KeyService.Client;

/// <summary>
/// How long a data key stays in this process and how much it encrypts. The service confirms held keys over an open stream; a key that was not
/// confirmed for <see cref="MaxAge"/> is not used any more, and one whose grant was revoked is zeroed at once.
/// </summary>
public sealed record LeasePolicy
{
    /// <summary>How long a data key may be used after the service last confirmed it: 1 second to 1 hour; 60 seconds.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long one data key encrypts before a new one takes its place: 1 second to 30 days; 1 day.</summary>
    public TimeSpan KeyLifetime { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Fields that one data key encrypts at most: 1 to 2^40; 2^32.</summary>
    public long MaxMessages { get; init; } = 1L << 32;

    /// <summary>Bytes that one data key encrypts at most: 1 to 2^60; 2^40.</summary>
    public long MaxBytes { get; init; } = 1L << 40;

    /// <summary>
    /// How long a data key may still be used past <see cref="MaxAge"/> while the service does not answer at all: 0 to 24 hours; 0, which is
    /// none. A refusal ends it at once. What was done under it is counted (metrics) and reported to the service's audit log afterwards.
    /// </summary>
    public TimeSpan Grace { get; init; } = TimeSpan.Zero;

    /// <summary>How often use counts are reported to the service: 1 second to 1 hour; 60 seconds. Also when the lease is disposed.</summary>
    public TimeSpan ReportInterval { get; init; } = TimeSpan.FromSeconds(60);

    internal LeasePolicy Checked()
    {
        Check(MaxAge, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1), nameof(MaxAge));
        Check(KeyLifetime, TimeSpan.FromSeconds(1), TimeSpan.FromDays(30), nameof(KeyLifetime));
        Check(MaxMessages, 1, 1L << 40, nameof(MaxMessages));
        Check(MaxBytes, 1, 1L << 60, nameof(MaxBytes));
        Check(Grace, TimeSpan.Zero, TimeSpan.FromHours(24), nameof(Grace));
        Check(ReportInterval, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1), nameof(ReportInterval));
        return this;
    }

    private static void Check<T>(T value, T least, T most, string name)
        where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
        {
            throw new ArgumentOutOfRangeException(name, value, $"Must be {least} to {most}.");
        }
    }
}
