using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace KeyService.Hsm.Connection;

/// <summary>
/// Watches everything that is inside the module and barks when a call does not come back. A call into a module cannot be cancelled: while one is stuck, every
/// other call is refused at once instead of being stuck as well, and those who wait are released. A probe that succeeds meanwhile shows that only the
/// one call is lost; then it is written off and the dog is calm.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Its source has no timer and no wait handle; a stuck call may still signal it.")]
internal sealed class Watchdog : IDisposable
{
    /// <summary>
    /// Looks in this many steps of the time-out, and counts looks instead of time: a process that was suspended finds its calls where they were, and not stuck.
    /// </summary>
    private const int Steps = 5;

    private readonly Lock sync = new();
    private readonly Action barks;
    private readonly ITimer timer;
    private readonly ModuleThreads threads = new();
    private readonly ConcurrentDictionary<WatchedWork, bool> elsewhere = new();
    private readonly HashSet<WatchedWork> stuck = [];
    private readonly HashSet<WatchedWork> lost = [];
    private WatchedWork[] places = [];
    private CancellationTokenSource barking = new();
    private volatile bool isBarking;
    private int looking;

    /// <param name="timeout">How long a single call into the module may take.</param>
    /// <param name="time">The clock.</param>
    /// <param name="barks">Told when a call is found stuck while none was.</param>
    internal Watchdog(TimeSpan timeout, TimeProvider time, Action barks)
    {
        Timeout = timeout;
        this.barks = barks;
        timer = time.CreateTimer(_ => Look(), null, timeout / Steps, timeout / Steps);
    }

    internal TimeSpan Timeout { get; }

    internal bool IsBarking => isBarking;

    /// <summary>Fires when a call is found to be stuck: those who wait for their turn need not wait on.</summary>
    internal CancellationToken Barked
    {
        get
        {
            lock (sync)
            {
                return barking.Token;
            }
        }
    }

    /// <summary>True while a probe or reconnect is stuck: another one would be too.</summary>
    internal bool IsProbeStuck
    {
        get
        {
            lock (sync)
            {
                return stuck.Any(work => work.IsProbe);
            }
        }
    }

    /// <summary>True while something stuck is inside the module: it cannot be drained, so it cannot be finalised.</summary>
    internal bool HasStuckInside
    {
        get
        {
            lock (sync)
            {
                return stuck.Count + lost.Count > 0;
            }
        }
    }

    /// <summary>Makes room for works on their callers' threads: as many at once, and as many again for those written off.</summary>
    internal void Allow(int callers) => places = [.. Enumerable.Range(0, callers * 2).Select(_ => new WatchedWork())];

    /// <summary>Begins a work on the caller's own thread. There is always a place: permits bound the callers.</summary>
    internal WatchedWork Enter()
    {
        for (var i = 0; ; i = (i + 1) % places.Length)
        {
            if (places[i].TryBegin())
            {
                return places[i];
            }
        }
    }

    /// <summary>Ends it. False when it was written off meanwhile.</summary>
    internal bool Leave(WatchedWork work)
    {
        var kept = work.End();
        if (!kept || work.IsStuck)
        {
            Calm(work);
        }
        return kept;
    }

    /// <summary>Runs the work on a thread of its own; <see cref="StuckCallException"/> when one of its calls does not come back.</summary>
    /// <param name="work">What to do.</param>
    /// <param name="left">Runs after the work on its thread, however late; told whether its place is still its own.</param>
    /// <param name="isProbe">See <see cref="WatchedWork.IsProbe"/>.</param>
    internal Task<T> RunAsync<T>(Func<T> work, Action<bool>? left = null, bool isProbe = false)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var watched = new WatchedWork { IsProbe = isProbe, Released = () => answer.TrySetException(new StuckCallException(ended.Task)) };
        var context = ExecutionContext.Capture(); // the caller's trace
        elsewhere[watched] = true;
        threads.Post(() =>
        {
            watched.TryBegin();
            try
            {
                T? result = default;
                if (context is null)
                {
                    result = work();
                }
                else
                {
                    ExecutionContext.Run(context, _ => result = work(), null);
                }
                answer.TrySetResult(result!);
            }
            catch (Exception exception)
            {
                answer.TrySetException(exception);
            }
            finally
            {
                elsewhere.TryRemove(watched, out _);
                var keepsPlace = Leave(watched);
                left?.Invoke(keepsPlace);
                ended.SetResult();
            }
        });
        return answer.Task;
    }

    /// <summary>The device works, as a probe has shown: calls that are stuck all the same are not waited for. Returns how many, whose places are free now.</summary>
    /// <param name="most">No more than this many are written off in all; then the dog goes on barking.</param>
    internal int WriteOff(int most)
    {
        lock (sync)
        {
            if (stuck.Count == 0 || stuck.Count + lost.Count > most)
            {
                return 0;
            }
            var gone = 0;
            foreach (var work in stuck.Where(work => work.TryWriteOff()))
            {
                lost.Add(work);
                gone++;
            }
            stuck.Clear();
            Settle();
            return gone;
        }
    }

    public void Dispose()
    {
        timer.Dispose();
        threads.Dispose();
    }

    /// <summary>One look at everything inside.</summary>
    private void Look()
    {
        if (Interlocked.Exchange(ref looking, 1) != 0)
        {
            return; // a look took longer than a step
        }
        foreach (var work in places.Where(work => work.IsRunning).Concat(elsewhere.Keys))
        {
            var (beats, looks) = work.Seen;
            if (beats != work.Beats)
            {
                work.Seen = (work.Beats, 0);
                if (work.IsStuck)
                {
                    Calm(work);
                }
                continue;
            }
            work.Seen = (beats, looks + 1);
            if (!work.IsStuck && looks >= Steps)
            {
                Bark(work);
            }
        }
        Volatile.Write(ref looking, 0);
    }

    private void Bark(WatchedWork work)
    {
        CancellationTokenSource current;
        lock (sync)
        {
            if (!work.IsRunning)
            {
                return;
            }
            work.IsStuck = true;
            stuck.Add(work);
            current = barking;
            isBarking = true;
        }
        Interlocked.MemoryBarrier();
        if (!work.IsRunning)
        {
            Calm(work); // it ended in this moment, and did not see that it was stuck
            return;
        }
        work.Released?.Invoke();
        if (!current.IsCancellationRequested)
        {
            barks();
            current.Cancel();
        }
    }

    private void Calm(WatchedWork work)
    {
        lock (sync)
        {
            work.IsStuck = false;
            stuck.Remove(work);
            lost.Remove(work);
            Settle();
        }
    }

    private void Settle()
    {
        if (isBarking && stuck.Count == 0)
        {
            isBarking = false;
            barking = new CancellationTokenSource();
        }
    }
}
