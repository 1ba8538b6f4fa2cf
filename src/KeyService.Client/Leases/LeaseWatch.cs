using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>
/// Listens to what the service says about the data keys held here: one stream for a whole client, open while any key is held, opened again
/// whenever it broke or a key of another version came. Thread-safe.
/// </summary>
internal sealed class LeaseWatch(DataKeyCalls dataKeys, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestHeartbeat = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ShortestHeartbeat = TimeSpan.FromMilliseconds(200);

    /// <summary>Heartbeats that have to fit into a lease, so that a lost one or two end none.</summary>
    private const int HeartbeatsPerLease = 6;

    /// <summary>How far the time of day may run away from the monotonic clock before what was heard is forgotten: the process slept.</summary>
    private static readonly TimeSpan LongestGap = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private readonly List<LeaseStanding> standings = [];
    private readonly CancellationTokenSource disposed = new();
    private CancellationTokenSource? attempt;
    private TaskCompletionSource wake = NewWake();
    private TaskCompletionSource<KeyServiceException?> outcome = NewOutcome();
    private TimeSpan shortestAge = TimeSpan.FromHours(1);
    private bool running;
    private KeyServiceException? fault;
    private long faultAt;
    private (long Timestamp, DateTimeOffset Time) clocks = (time.GetTimestamp(), time.GetUtcNow());

    /// <summary>Why the service could not be heard, since it was heard last; null while it is.</summary>
    public KeyServiceException? Fault => Volatile.Read(ref fault);

    /// <summary>The standing of a version and context, watched from now on. <see cref="Untrack"/> must follow.</summary>
    public LeaseStanding Track(string keyVersion, EncryptionContext context, TimeSpan maxAge, Action<LeaseStanding> heard)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed.IsCancellationRequested, this);
            var standing = standings.Find(each => each.KeyVersion == keyVersion && each.Context.Equals(context));
            var more = standing is null || maxAge < shortestAge;
            shortestAge = maxAge < shortestAge ? maxAge : shortestAge;
            if (standing is null)
            {
                standing = new LeaseStanding(keyVersion, context);
                standings.Add(standing);
            }
            if (standing.Holders++ == 0 || more)
            {
                Restart();
            }
            standing.Heard += heard;
            return standing;
        }
    }

    /// <summary>One holder less.</summary>
    public void Untrack(LeaseStanding standing, Action<LeaseStanding> heard)
    {
        lock (gate)
        {
            standing.Heard -= heard;
            // Nothing is opened again for one version less; with none left the stream ends.
            if (--standing.Holders == 0)
            {
                standings.Remove(standing);
                if (standings.Count == 0)
                {
                    // Woken as well, so that this end is not taken for a silent service.
                    wake.TrySetResult();
                    attempt?.Cancel();
                }
            }
        }
    }

    /// <summary>Waits until the service was heard once more, or could not be: null, or why not. Tries at once when it is pausing.</summary>
    public async Task<KeyServiceException?> NextOutcomeAsync(CancellationToken cancellation)
    {
        Task<KeyServiceException?> next;
        lock (gate)
        {
            // It failed a moment ago: that is the answer, and the next try comes by itself.
            if (fault is not null && time.GetElapsedTime(faultAt) < Pause)
            {
                return fault;
            }
            next = outcome.Task;
            wake.TrySetResult();
        }
        return await next.WaitAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// Compares the two clocks. Where the time of day is ahead of the monotonic clock the machine slept or was set forward: nobody knows how
    /// long no answer came, so none counts any more, and the stream is opened again.
    /// </summary>
    public void NoticeClocks()
    {
        LeaseStanding[] forgotten;
        lock (gate)
        {
            var now = (time.GetTimestamp(), time.GetUtcNow());
            var gap = now.Item2 - clocks.Time - time.GetElapsedTime(clocks.Timestamp, now.Item1);
            clocks = now;
            if (gap <= LongestGap)
            {
                return;
            }
            forgotten = [.. standings];
            Restart();
        }
        foreach (var standing in forgotten)
        {
            standing.Forget();
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            disposed.Cancel();
            attempt?.Cancel();
            outcome.TrySetResult(new KeyServiceException(ClientReason.Unreachable, "The client was disposed.", "Make another client."));
        }
    }

    private static TaskCompletionSource NewWake() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static TaskCompletionSource<KeyServiceException?> NewOutcome() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Under the lock.
    private void Restart()
    {
        attempt?.Cancel();
        wake.TrySetResult();
        if (!running)
        {
            running = true;
            _ = Task.Run(RunAsync);
        }
    }

    private async Task RunAsync()
    {
        while (true)
        {
            LeaseStanding[] watched;
            CancellationTokenSource current;
            lock (gate)
            {
                if (standings.Count == 0 || disposed.IsCancellationRequested)
                {
                    running = false;
                    shortestAge = TimeSpan.FromHours(1);
                    return;
                }
                watched = [.. standings.Take(DataKeyCalls.MaxLeases)];
                current = attempt = CancellationTokenSource.CreateLinkedTokenSource(disposed.Token);
                wake = NewWake();
            }
            try
            {
                await ListenAsync(watched, current).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                await FailedAsync(e, watched, current).ConfigureAwait(false);
            }
            finally
            {
                lock (gate)
                {
                    attempt = attempt == current ? null : attempt;
                }
                // Or each try of a long outage would stay registered with the whole.
                current.Dispose();
            }
        }
    }

    private async Task ListenAsync(LeaseStanding[] watched, CancellationTokenSource current)
    {
        TimeSpan heartbeat;
        lock (gate)
        {
            heartbeat = shortestAge / HeartbeatsPerLease;
        }
        heartbeat = heartbeat > LongestHeartbeat ? LongestHeartbeat : heartbeat < ShortestHeartbeat ? ShortestHeartbeat : heartbeat;
        var silence = 3 * heartbeat + TimeSpan.FromSeconds(2);
        var sent = time.GetTimestamp();
        await using var silent = time.CreateTimer(_ => current.Cancel(), null, silence, Timeout.InfiniteTimeSpan);
        var leases = watched.Select(each => (each.KeyVersion, each.Context));
        await foreach (var answer in dataKeys.WatchLeasesAsync(leases, heartbeat, current.Token).ConfigureAwait(false))
        {
            silent.Change(silence, Timeout.InfiniteTimeSpan);
            var at = Math.Min(time.GetTimestamp(), sent + LeaseTimes.Ticks(answer.Elapsed, time));
            for (var i = 0; i < watched.Length && i < answer.Standings.Count; i++)
            {
                watched[i].Hear(answer.Standings[i].MayEncrypt, answer.Standings[i].MayDecrypt, at);
            }
            Settle(null);
        }
        throw new KeyServiceException(ClientReason.Unreachable, "The service ended the watch of leases.", "It is opened again by itself.");
    }

    private async Task FailedAsync(Exception e, LeaseStanding[] watched, CancellationTokenSource current)
    {
        bool replaced;
        lock (gate)
        {
            replaced = current != attempt || wake.Task.IsCompleted;
        }
        if (disposed.IsCancellationRequested || (replaced && e is OperationCanceledException))
        {
            return;
        }
        var why = e as KeyServiceException ?? new KeyServiceException(
            ClientReason.Unreachable, e is OperationCanceledException ? "The service fell silent." : $"Listening to the service failed: {e.Message}",
            "It is tried again by itself.", e);
        if (why.Reason == "UNKNOWN_PRINCIPAL")
        {
            // Disabled, or its certificate is nobody's any more: that is a withdrawal of everything.
            foreach (var standing in watched)
            {
                standing.Hear(encrypt: false, decrypt: false, time.GetTimestamp());
            }
        }
        Settle(why);
        Task woken;
        lock (gate)
        {
            woken = wake.Task;
        }
        using var end = CancellationTokenSource.CreateLinkedTokenSource(disposed.Token);
        await Task.WhenAny(woken, Task.Delay(Pause, time, end.Token)).ConfigureAwait(false);
        await end.CancelAsync().ConfigureAwait(false);
    }

    private void Settle(KeyServiceException? why)
    {
        lock (gate)
        {
            fault = why;
            faultAt = time.GetTimestamp();
            outcome.TrySetResult(why);
            outcome = NewOutcome();
        }
    }
}
