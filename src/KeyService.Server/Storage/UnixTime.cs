namespace KeyService.Server.Storage;

/// <summary>
/// Times as rows and records hold them: UTC, nanoseconds since 1970 in a signed 64-bit number (until 2262), of which a tick of 100 ns is
/// the finest.
/// </summary>
internal static class UnixTime
{
    private const long NanosecondsPerTick = 100;

    public static long Nanoseconds(DateTimeOffset time) => (time.UtcTicks - DateTime.UnixEpoch.Ticks) * NanosecondsPerTick;

    public static DateTimeOffset FromNanoseconds(long nanoseconds) => new(DateTime.UnixEpoch.Ticks + nanoseconds / NanosecondsPerTick, TimeSpan.Zero);

    /// <inheritdoc cref="Nanoseconds(DateTimeOffset)"/>
    public static long? Nanoseconds(DateTimeOffset? time) => time is { } value ? Nanoseconds(value) : null;

    /// <inheritdoc cref="FromNanoseconds(long)"/>
    public static DateTimeOffset? FromNanoseconds(long? nanoseconds) => nanoseconds is { } value ? FromNanoseconds(value) : null;
}
