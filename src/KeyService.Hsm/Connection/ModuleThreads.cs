namespace KeyService.Hsm.Connection;

/// <summary>
/// Threads for calls that may not come back, outside the pool that everything else runs on. A thread that waits takes the next work; one that is stuck is
/// replaced by a new one. There are never more than there were calls at once.
/// </summary>
internal sealed class ModuleThreads : IDisposable
{
    private readonly object sync = new(); // a monitor: threads wait on it
    private readonly Queue<Action> queue = new();
    private int idle;
    private bool closed;

    /// <summary>Runs the work, which must not throw, on one of the threads, at once.</summary>
    internal void Post(Action work)
    {
        lock (sync)
        {
            if (idle > queue.Count)
            {
                queue.Enqueue(work);
                Monitor.Pulse(sync);
                return;
            }
        }
        new Thread(() => Loop(work)) { IsBackground = true, Name = "HSM call" }.Start();
    }

    /// <summary>Lets the threads go that wait, and the others when they are done.</summary>
    public void Dispose()
    {
        lock (sync)
        {
            closed = true;
            Monitor.PulseAll(sync);
        }
    }

    private void Loop(Action first)
    {
        for (var work = first; work is not null; work = Next())
        {
            work();
        }
    }

    private Action? Next()
    {
        lock (sync)
        {
            idle++;
            while (queue.Count == 0 && !closed)
            {
                Monitor.Wait(sync);
            }
            idle--;
            return queue.TryDequeue(out var work) ? work : null;
        }
    }
}
