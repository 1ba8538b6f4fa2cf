namespace KeyService.Server.Storage;

/// <summary>
/// Bounded queue from many callers to the one writer thread. The writer takes whatever stands there at once: no waiting for more to come.
/// </summary>
internal sealed class CommitQueue(int capacity)
{
    private readonly object _gate = new();
    private readonly Queue<PendingCommit> _waiting = new();
    private bool _closed;

    /// <summary>Adds a commit that its caller's cancellation withdraws, and gives its end; a full or closed queue is that end.</summary>
    public Task<CommitReceipt> Enqueue(PendingCommit commit, CancellationToken cancellationToken)
    {
        try
        {
            commit.WithdrawOn(cancellationToken);
            Add(commit);
            return commit.Completion;
        }
        catch (Exception e) when (e is StoreUnavailableException or StoreOverloadedException)
        {
            commit.TryTake();
            return Task.FromException<CommitReceipt>(e);
        }
    }

    /// <summary>
    /// Blocks until something waits; fills <paramref name="group"/> with up to <paramref name="limit"/>; false when closed and empty.
    /// </summary>
    public bool Take(List<PendingCommit> group, int limit)
    {
        group.Clear();
        lock (_gate)
        {
            while (true)
            {
                while (group.Count < limit && _waiting.TryDequeue(out var commit))
                {
                    if (commit.TryTake())
                    {
                        group.Add(commit);
                    }
                }

                if (group.Count > 0 || _closed)
                {
                    return group.Count > 0;
                }

                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>What waits is still taken; nothing new is accepted.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.Pulse(_gate);
        }
    }

    private void Add(PendingCommit commit)
    {
        lock (_gate)
        {
            if (_closed)
            {
                throw new StoreUnavailableException("The store is closed.");
            }

            if (_waiting.Count >= capacity)
            {
                throw new StoreOverloadedException(RetryAfter);
            }

            _waiting.Enqueue(commit);
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>A full queue of 8,192 takes the writer about 100 ms.</summary>
    private static TimeSpan RetryAfter => TimeSpan.FromMilliseconds(100);
}
