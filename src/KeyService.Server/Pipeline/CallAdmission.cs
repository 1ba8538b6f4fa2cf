using KeyService.Server.Hosting;

namespace KeyService.Server.Pipeline;

/// <summary>
/// Bounds the work in progress: beyond it a call is refused at once with RetryInfo instead of making everybody wait. Streams
/// have places of their own, because they stay long and hold windows.
/// </summary>
internal sealed class CallAdmission(LimitsConfiguration limits)
{
    /// <summary>What a refused caller is told to wait.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(200);

    private int _calls;
    private int _streams;

    public int CallsInProgress => Volatile.Read(ref _calls);

    public int StreamsInProgress => Volatile.Read(ref _streams);

    /// <summary>Takes a place; true means that <see cref="Leave"/> must follow.</summary>
    public bool TryEnter(bool isStream) => isStream
        ? TryEnter(ref _streams, limits.ConcurrentStreams)
        : TryEnter(ref _calls, limits.ConcurrentCalls);

    public void Leave(bool isStream)
    {
        if (isStream)
            Interlocked.Decrement(ref _streams);
        else
            Interlocked.Decrement(ref _calls);
    }

    private static bool TryEnter(ref int count, int limit)
    {
        if (Interlocked.Increment(ref count) <= limit)
            return true;
        Interlocked.Decrement(ref count);
        return false;
    }
}
