using System.Diagnostics.CodeAnalysis;

namespace KeyService.Hsm.Pkcs11;

/// <summary>
/// Readers-writer gate over a module. Operations read; Finalize and its kind write, after every reader has left: SoftHSM and others crash when they
/// are finalised during an operation. A module is one per process, so the gate is one per module and shared by its tokens.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Lives as long as the process; its semaphore never makes a wait handle.")]
internal sealed class OperationGate
{
    private readonly Lock sync = new();
    private readonly SemaphoreSlim writers = new(1, 1);
    private int readers;
    private TaskCompletionSource? drained;
    private TaskCompletionSource? reopened;

    /// <summary>Enters as a reader without waiting, unless a writer is in or waiting.</summary>
    internal bool TryEnter()
    {
        lock (sync)
        {
            if (reopened is not null)
            {
                return false;
            }
            readers++;
            return true;
        }
    }

    internal async ValueTask EnterAsync(CancellationToken cancellationToken)
    {
        while (!TryEnter())
        {
            Task? wait;
            lock (sync)
            {
                wait = reopened?.Task;
            }
            if (wait is not null)
            {
                await wait.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    internal void Exit()
    {
        lock (sync)
        {
            if (--readers == 0)
            {
                drained?.TrySetResult();
            }
        }
    }

    /// <summary>Closes the gate and waits until every reader has left. Throws <see cref="TimeoutException"/>, gate open again, when one does not.</summary>
    internal async Task<Closure> CloseAsync(TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        await writers.WaitAsync(cancellationToken).ConfigureAwait(false);
        Task wait;
        lock (sync)
        {
            reopened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            drained = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (readers == 0)
            {
                drained.SetResult();
            }
            wait = drained.Task;
        }
        try
        {
            await wait.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(false);
            return new Closure(this);
        }
        catch
        {
            Reopen();
            throw;
        }
    }

    private void Reopen()
    {
        TaskCompletionSource? waiting;
        lock (sync)
        {
            waiting = reopened;
            reopened = null;
            drained = null;
        }
        writers.Release();
        waiting?.TrySetResult();
    }

    /// <summary>The gate held closed; Dispose opens it.</summary>
    internal sealed class Closure(OperationGate gate) : IDisposable
    {
        private OperationGate? held = gate;

        public void Dispose() => Interlocked.Exchange(ref held, null)?.Reopen();
    }
}
