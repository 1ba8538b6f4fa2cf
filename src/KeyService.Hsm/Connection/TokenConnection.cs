using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using KeyService.Hsm.Login;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;

namespace KeyService.Hsm.Connection;

/// <summary>
/// Runs operations on a token: bounded in number, behind the module's gate, each with a session to itself, against the current attachment. A failure that
/// says the session or token is gone is answered by a new session or a reconnect, and the operation runs once more: every operation
/// here can be repeated, none leaves anything behind in the token.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Its semaphore never makes a wait handle, and late callers may still release it.")]
internal sealed class TokenConnection : IAsyncDisposable
{
    private const int MaxAttempts = 3;

    private readonly HsmConfiguration configuration;
    private readonly Pkcs11Module module;
    private readonly PinSource pin;
    private readonly SemaphoreSlim permits;
    private readonly TokenRecovery recovery;
    private volatile bool disposed;

    internal TokenConnection(HsmConfiguration configuration, TimeProvider time, Action<HsmEvent> events)
    {
        this.configuration = configuration;
        Watchdog = new Watchdog(configuration.WatchdogTimeout, time);
        permits = new SemaphoreSlim(configuration.MaxConcurrency);
        pin = PinSource.Open(configuration);
        try
        {
            module = Pkcs11Module.Acquire(configuration.ModulePath, configuration.NssParameters);
        }
        catch
        {
            pin.Dispose();
            throw;
        }
        try
        {
            recovery = new TokenRecovery(module, configuration, pin, Watchdog, time, events);
        }
        catch
        {
            module.Release();
            pin.Dispose();
            throw;
        }
    }

    internal Pkcs11Module Module => module;

    internal Watchdog Watchdog { get; }

    internal TokenRecovery Recovery => recovery;

    /// <summary>Runs one operation with a rented session. <paramref name="operation"/> is synchronous and holds the gate open while it runs.</summary>
    internal async ValueTask<T> RunAsync<TState, T>(
        Func<Attachment, HsmSession, TState, T> operation, TState state, CancellationToken cancellationToken, [CallerMemberName] string caller = "")
    {
        for (var attempt = 1; ; attempt++)
        {
            var attachment = await EnterAsync(cancellationToken).ConfigureAwait(false);
            HsmException failure;
            try
            {
                return RunOnce(attachment, operation, state, caller);
            }
            catch (HsmException exception) when (MayRecover(exception))
            {
                if (ReturnCodes.IsAmbiguous(exception.ReturnCode) && attachment.IsWell())
                {
                    if (attempt > 1)
                    {
                        throw; // twice, with the canary singing each time: the operation has a reason of its own to fail
                    }
                    continue; // once proves nothing: the token may have been away for a moment
                }
                failure = exception;
            }
            finally
            {
                Exit();
            }
            if (attempt == MaxAttempts)
            {
                throw failure;
            }
            // A lost session is answered by another one first; all else, and a second loss, by looking at the token itself.
            if (attempt > 1 || !ReturnCodes.IsSessionLost(failure.ReturnCode))
            {
                await recovery.RecoverAsync(attachment, failure, force: false, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The canary, in a session of its own and past the permits: a probe must not wait behind the calls it is to judge.</summary>
    internal async Task ProbeAsync(CancellationToken cancellationToken)
    {
        ThrowIfHung();
        ObjectDisposedException.ThrowIf(disposed, this);
        var attachment = recovery.Current;
        if (attachment is null || !attachment.IsCurrent)
        {
            await recovery.RecoverAsync(attachment, cause: null, force: true, cancellationToken).ConfigureAwait(false);
            return;
        }
        await WaitTurnAsync(module.Gate.EnterAsync, cancellationToken).ConfigureAwait(false);
        try
        {
            await Watchdog.RunAsync(() => ExamineAndExit(attachment), cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw recovery.Hung();
        }
        catch (HsmException exception)
        {
            await recovery.RecoverAsync(attachment, exception, force: true, cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (disposed)
        {
            return;
        }
        disposed = true;
        try
        {
            using (await module.Gate.CloseAsync(configuration.WatchdogTimeout, TimeProvider.System, CancellationToken.None).ConfigureAwait(false))
            {
                recovery.Close(touchModule: true);
                module.Release();
            }
        }
        catch (TimeoutException)
        {
            // A call is stuck inside the module: it can neither be closed nor finalised, only left to the end of the process.
            recovery.Close(touchModule: false);
        }
        pin.Dispose();
    }

    /// <summary>Leaves the gate when the module comes back, which may be long after anybody waits for it.</summary>
    private bool ExamineAndExit(Attachment attachment)
    {
        try
        {
            if (attachment.IsCurrent)
            {
                attachment.Examine();
            }
            return true;
        }
        finally
        {
            module.Gate.Exit();
        }
    }

    private static T RunOnce<TState, T>(Attachment attachment, Func<Attachment, HsmSession, TState, T> operation, TState state, string caller)
    {
        var session = attachment.Pool.Rent();
        var measurement = HsmDiagnostics.Start(caller);
        HsmException? failure = null;
        try
        {
            return operation(attachment, session, state);
        }
        catch (HsmException exception)
        {
            failure = exception;
            throw;
        }
        finally
        {
            measurement.End(failure);
            attachment.Pool.Return(session);
        }
    }

    private static bool MayRecover(HsmException exception) =>
        exception.Fault == HsmFault.Unavailable
        || (exception.Fault == HsmFault.Unexpected && ReturnCodes.IsAmbiguous(exception.ReturnCode));

    /// <summary>Takes a permit and the gate's reader side, on a current attachment; reconnects first if there is none.</summary>
    private async ValueTask<Attachment> EnterAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            ThrowIfHung();
            ObjectDisposedException.ThrowIf(disposed, this);
            if (!permits.Wait(0, CancellationToken.None))
            {
                await WaitTurnAsync(token => new ValueTask(permits.WaitAsync(token)), cancellationToken).ConfigureAwait(false);
            }
            try
            {
                if (!module.Gate.TryEnter())
                {
                    await WaitTurnAsync(module.Gate.EnterAsync, cancellationToken).ConfigureAwait(false);
                }
            }
            catch
            {
                permits.Release();
                throw;
            }
            var attachment = recovery.Current;
            if (attachment is { IsCurrent: true } && !disposed)
            {
                return attachment;
            }
            Exit();
            recovery.ThrowIfClosed();
            await recovery.RecoverAsync(attachment, cause: null, force: false, cancellationToken).ConfigureAwait(false);
        }
    }

    private void Exit()
    {
        module.Gate.Exit();
        permits.Release();
    }

    /// <summary>Waits, but not longer than until the watchdog barks: what holds the place may never come back.</summary>
    private async ValueTask WaitTurnAsync(Func<CancellationToken, ValueTask> wait, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Watchdog.Barked);
        try
        {
            await wait(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw recovery.Hung();
        }
    }

    private void ThrowIfHung()
    {
        if (Watchdog.IsBarking)
        {
            throw recovery.Hung();
        }
    }
}
