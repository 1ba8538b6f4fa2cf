using KeyService.Server.Hosting;

namespace KeyService.Server.Pipeline;

/// <summary>Kinds of calls, by what a place for one may cost.</summary>
internal enum CallKind
{
    Unary,

    /// <summary>Moves data; may hold a flow-control window.</summary>
    Stream,

    /// <summary>Waits for news; holds next to nothing.</summary>
    Listener,
}

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
    private int _listeners;

    public int CallsInProgress => Volatile.Read(ref _calls);

    public int StreamsInProgress => Volatile.Read(ref _streams);

    public int ListenersInProgress => Volatile.Read(ref _listeners);

    /// <summary>Takes a place; true means that <see cref="Leave"/> must follow.</summary>
    public bool TryEnter(CallKind kind) => kind switch
    {
        CallKind.Stream => TryEnter(ref _streams, limits.ConcurrentStreams),
        CallKind.Listener => TryEnter(ref _listeners, limits.ConcurrentListeners),
        _ => TryEnter(ref _calls, limits.ConcurrentCalls),
    };

    public void Leave(CallKind kind)
    {
        switch (kind)
        {
            case CallKind.Stream:
                Interlocked.Decrement(ref _streams);
                break;
            case CallKind.Listener:
                Interlocked.Decrement(ref _listeners);
                break;
            default:
                Interlocked.Decrement(ref _calls);
                break;
        }
    }

    private static bool TryEnter(ref int count, int limit)
    {
        if (Interlocked.Increment(ref count) <= limit)
            return true;
        Interlocked.Decrement(ref count);
        return false;
    }
}
