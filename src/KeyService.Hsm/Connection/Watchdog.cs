using System.Diagnostics.CodeAnalysis;

namespace KeyService.Hsm.Connection;

/// <summary>
/// Runs blocking module calls on a thread of their own and stops waiting when they take too long. A call into a module cannot be cancelled: while it
/// is stuck, the watchdog barks and every other call is refused at once instead of being stuck as well.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Its source has no timer and no wait handle; a stuck call may still signal it.")]
internal sealed class Watchdog(TimeSpan timeout, TimeProvider time)
{
    private readonly Lock sync = new();
    private CancellationTokenSource barking = new();
    private Task? stuck;

    internal TimeSpan Timeout => timeout;

    internal bool IsBarking => stuck is { IsCompleted: false };

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

    /// <summary>Runs the work; throws <see cref="TimeoutException"/> when it does not come back in time. It runs on, and its end calms the dog.</summary>
    internal async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        var task = Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            return await task.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            Bark(task);
            throw;
        }
    }

    /// <summary>Declares a task stuck.</summary>
    internal void Bark(Task task)
    {
        CancellationTokenSource current;
        lock (sync)
        {
            stuck = task;
            current = barking;
        }
        current.Cancel();
        _ = task.ContinueWith(
            done =>
            {
                _ = done.Exception; // observed: the next probe finds out by itself
                lock (sync)
                {
                    if (stuck == task)
                    {
                        stuck = null;
                        barking = new CancellationTokenSource();
                    }
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }
}
