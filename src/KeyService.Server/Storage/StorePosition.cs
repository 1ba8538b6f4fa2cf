namespace KeyService.Server.Storage;

/// <summary>
/// Which log slot the writer has and the last durable sequence number in it, and those who wait for a later one (followers of the log):
/// woken by commits, no polling.
/// </summary>
internal sealed class StorePosition(int slot)
{
    private TaskCompletionSource _moved = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _slot = slot;
    private long _last = -1;
    private int _waiters;

    public int Slot => Volatile.Read(ref _slot);

    public long Last => Volatile.Read(ref _last);

    public void Restore(long last) => Volatile.Write(ref _last, last);

    /// <summary>The writer goes on in another slot, whose last durable record is <paramref name="last"/>. Who waits is told.</summary>
    public void MoveTo(int slot, long last)
    {
        Volatile.Write(ref _slot, slot);
        Advance(last);
    }

    public void Advance(long last)
    {
        // Full fence: a waiter counts itself before it looks, so either it sees the new number or it is seen here.
        Interlocked.Exchange(ref _last, last);
        if (Volatile.Read(ref _waiters) > 0)
        {
            Interlocked.Exchange(ref _moved, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        }
    }

    /// <exception cref="StoreUnavailableException">The writer went on in another slot: what was waited for does not come.</exception>
    public async ValueTask<long> WaitAsync(long sequence, CancellationToken cancellationToken)
    {
        var slot = Slot;
        Interlocked.Increment(ref _waiters);
        try
        {
            while (true)
            {
                var moved = Volatile.Read(ref _moved).Task;
                var last = Last;
                if (slot != Slot)
                {
                    throw new StoreUnavailableException("The server writes another log slot since it lost its database session; begin again.");
                }

                if (last > sequence)
                {
                    return last;
                }

                await moved.WaitAsync(cancellationToken);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _waiters);
        }
    }
}
