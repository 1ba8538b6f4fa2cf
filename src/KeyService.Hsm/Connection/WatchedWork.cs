namespace KeyService.Hsm.Connection;

/// <summary>
/// One thread's way through the module, as the watchdog sees it: every call into the module that comes back is a beat. It may consist of many calls and take
/// long; it is stuck when a single one does not come back.
/// </summary>
internal sealed class WatchedWork
{
    private const int Running = 0, Ended = 1, WrittenOff = 2;

    [ThreadStatic]
    private static WatchedWork? current;

    private long beats;
    private int state = Ended;

    /// <summary>A probe or reconnect, on which the judgement of all else rests; not an ordinary call.</summary>
    internal bool IsProbe { get; init; }

    /// <summary>Told when the work is found stuck: whoever waits for it need not wait on.</summary>
    internal Action? Released { get; init; }

    internal bool IsRunning => Volatile.Read(ref state) != Ended;

    internal long Beats => Volatile.Read(ref beats);

    /// <summary>What the watchdog saw last, and how many looks ago; its own notes.</summary>
    internal (long Beats, int Looks) Seen { get; set; }

    internal bool IsStuck { get; set; }

    /// <summary>A call into the module came back, on this thread.</summary>
    internal static void Beat()
    {
        if (current is { } work)
        {
            Volatile.Write(ref work.beats, work.beats + 1);
        }
    }

    /// <summary>Begins on this thread; false when it is running on another one.</summary>
    internal bool TryBegin()
    {
        if (Interlocked.CompareExchange(ref state, Running, Ended) != Ended)
        {
            return false;
        }
        current = this;
        Beat(); // not the work that was here before
        return true;
    }

    /// <summary>Ends on its thread. False when it was written off meanwhile: its place has been given to another.</summary>
    internal bool End()
    {
        current = null;
        return Interlocked.Exchange(ref state, Ended) != WrittenOff;
    }

    /// <summary>Gives up waiting for it; false when it has just ended.</summary>
    internal bool TryWriteOff() => Interlocked.CompareExchange(ref state, WrittenOff, Running) == Running;
}

/// <summary>A call into the module does not come back; the work goes on without anybody waiting for it.</summary>
/// <param name="ended">Completes, never fails, when it has come back after all.</param>
internal sealed class StuckCallException(Task ended) : TimeoutException("A call into the HSM module does not come back.")
{
    internal Task Ended => ended;
}
