using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Trust;

/// <summary>What the clock did since it was last looked at.</summary>
internal enum ClockFinding
{
    /// <summary>It went on as a clock does, or a machine that slept woke up.</summary>
    Good,

    /// <summary>It stands earlier than this installation has seen it.</summary>
    SetBack,

    /// <summary>It went forward by more than a day while much less passed.</summary>
    Jumped,
}

/// <summary>
/// Holds the latest time that was ever seen, so that a clock that is set back keeps nothing young: protection stops until the time has passed the mark,
/// or an officer accepts the clock; processing goes on. Thread safe; asking costs a reading of the clock and a comparison (ADR 0197).
/// </summary>
/// <param name="sinceBoot">Time since the machine started, its sleep included; null for the machine's own.</param>
/// <param name="tolerance">By how much clocks of servers may differ, and a clock be corrected, without a word.</param>
internal sealed class ClockGuard(TimeProvider time, TimeSpan tolerance, Func<TimeSpan>? sinceBoot = null)
{
    /// <summary>What clocks that are kept by NTP stay within.</summary>
    public static readonly TimeSpan DefaultTolerance = TimeSpan.FromSeconds(60);

    /// <summary>A step forward of more than this is told.</summary>
    public static readonly TimeSpan LargestStep = TimeSpan.FromDays(1);

    /// <summary>How long after a jump work that was overdue at once is to be taken slowly.</summary>
    public static readonly TimeSpan PacedAfterJump = TimeSpan.FromHours(24);

    private static readonly TimeSpan Grain = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private long _newestTicks = DateTimeOffset.MinValue.UtcTicks;
    private DateTimeOffset _lookedAt = time.GetUtcNow();
    private long _lookedTimestamp = time.GetTimestamp();
    private readonly Func<TimeSpan> _sinceBoot = sinceBoot ?? BootClock.Read;
    private TimeSpan _lookedBoot = (sinceBoot ?? BootClock.Read)();
    private long _jumpedTimestamp = -1;

    /// <summary>The latest time seen.</summary>
    public DateTimeOffset Newest => new(Volatile.Read(ref _newestTicks), TimeSpan.Zero);

    /// <summary>By how much the clock stands behind <see cref="Newest"/>; zero when it does not, or by less than the tolerance.</summary>
    public TimeSpan Behind
    {
        get
        {
            var behind = Newest - time.GetUtcNow();
            return behind > tolerance ? behind : TimeSpan.Zero;
        }
    }

    /// <summary>True for a day after the clock jumped forward: what became due by that is no reason to hurry.</summary>
    public bool PaceOfBacklog
    {
        get
        {
            var jumped = Volatile.Read(ref _jumpedTimestamp);
            return jumped >= 0 && time.GetElapsedTime(jumped) < PacedAfterJump;
        }
    }

    /// <summary>Takes note of a time that somebody has seen: of a record, of a mark, of another server.</summary>
    public void Saw(DateTimeOffset seen)
    {
        var ticks = seen.UtcTicks;
        for (var newest = Volatile.Read(ref _newestTicks); ticks > newest;)
        {
            var before = Interlocked.CompareExchange(ref _newestTicks, ticks, newest);
            if (before == newest)
            {
                return;
            }

            newest = before;
        }
    }

    /// <summary>For whatever protects: refuses while the clock is set back.</summary>
    /// <exception cref="Refusal">CLOCK_SET_BACK.</exception>
    public void DemandNotSetBack()
    {
        // The mark before the clock: read the other way round, what another thread sees in between, right after the machine woke or its clock was set
        // forward, would make this reading look like a clock that was set back.
        var newest = Newest;
        var now = time.GetUtcNow();
        var behind = newest - now;
        if (behind > tolerance)
        {
            throw new Refusal(
                Reason.ClockSetBack,
                $"The clock of this server says {now:u} and was at {newest:u} before: it was set back by {Length(behind)}. Nothing is encrypted until it is right "
                + "again; decryption goes on. Set the clock (NTP). If it was wrong before and is right now, an officer accepts it: keyservice store accept --clock.");
        }

        // Not at each call: many cores would hand one cache line around.
        if (-behind > Grain)
        {
            Saw(now);
        }
    }

    /// <summary>Compares the clock with what passed since the last look. Call it every second or so.</summary>
    public ClockFinding Look()
    {
        lock (_gate)
        {
            // Before the clock, as above.
            var newest = Newest;
            var now = time.GetUtcNow();
            var timestamp = time.GetTimestamp();
            var boot = _sinceBoot();
            // The timestamp stands still while a machine sleeps; the boot clock does not. The longer of the two is what really passed.
            var passed = time.GetElapsedTime(_lookedTimestamp, timestamp);
            passed = boot - _lookedBoot > passed ? boot - _lookedBoot : passed;

            var step = now - _lookedAt;
            (_lookedAt, _lookedTimestamp, _lookedBoot) = (now, timestamp, boot);
            if (newest - now > tolerance)
            {
                return ClockFinding.SetBack;
            }

            Saw(now);
            if (step - passed <= LargestStep)
            {
                return ClockFinding.Good;
            }

            Volatile.Write(ref _jumpedTimestamp, timestamp);
            return ClockFinding.Jumped;
        }
    }

    /// <summary>An officer says that the clock was wrong before and is right now.</summary>
    public void Accept(DateTimeOffset accepted) => Volatile.Write(ref _newestTicks, accepted.UtcTicks);

    /// <summary>For people: "3 h 20 min".</summary>
    public static string Length(TimeSpan length) => length switch
    {
        { TotalDays: >= 1 } => $"{(long)length.TotalDays} d {length.Hours} h",
        { TotalHours: >= 1 } => $"{length.Hours} h {length.Minutes} min",
        { TotalMinutes: >= 1 } => $"{length.Minutes} min {length.Seconds} s",
        _ => $"{length.TotalSeconds:0} s",
    };
}
