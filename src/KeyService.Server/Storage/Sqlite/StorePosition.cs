namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// The last durable sequence number, and those who wait for a later one (followers of the log): woken by commits, no polling.
/// </summary>
internal sealed class StorePosition
{
    private TaskCompletionSource _moved = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _last = -1;
    private int _waiters;

    public long Last => Volatile.Read(ref _last);

    public void Restore(long last) => Volatile.Write(ref _last, last);

    public void Advance(long last)
    {
        // Full fence: a waiter counts itself before it looks, so either it sees the new number or it is seen here.
        Interlocked.Exchange(ref _last, last);
        if (Volatile.Read(ref _waiters) > 0)
        {
            Interlocked.Exchange(ref _moved, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        }
    }

    public async ValueTask<long> WaitAsync(long sequence, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _waiters);
        try
        {
            while (true)
            {
                var moved = Volatile.Read(ref _moved).Task;
                var last = Last;
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
