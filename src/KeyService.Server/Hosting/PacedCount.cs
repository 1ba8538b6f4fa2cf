namespace KeyService.Server.Hosting;

/// <summary>Turns a flood of events that strangers can cause into one line of log a second, with their number.</summary>
internal sealed class PacedCount(TimeProvider time)
{
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(1);
    private long _count;
    private long _told = long.MinValue;

    /// <summary>Counts one; true when it is time to tell, with the number since the last time.</summary>
    public bool Add(out long since)
    {
        Interlocked.Increment(ref _count);
        since = 0;
        var told = Volatile.Read(ref _told);
        var now = time.GetTimestamp();
        // Of those who come at the same moment one tells.
        if (told != long.MinValue && time.GetElapsedTime(told, now) < Pace || Interlocked.CompareExchange(ref _told, now, told) != told)
            return false;
        since = Interlocked.Exchange(ref _count, 0);
        return since > 0;
    }
}
