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
    private readonly SemaphoreSlim permits = new(1);
    private readonly TokenRecovery recovery;
    private volatile bool disposed;

    private TokenConnection(HsmConfiguration configuration, Pkcs11Module module, Attachment attachment, PinSource pin, Watchdog watchdog, TimeProvider time, Action<HsmEvent> events)
    {
        this.configuration = configuration;
        this.module = module;
        this.pin = pin;
        Watchdog = watchdog;
        recovery = new TokenRecovery(module, attachment, configuration, pin, watchdog, time, events);
        watchdog.Allow(MaxConcurrency);
    }

    internal Pkcs11Module Module => module;

    internal Watchdog Watchdog { get; }

    internal TokenRecovery Recovery => recovery;

    /// <summary>Calls inside the module at once; 1 until <see cref="Adapt"/>.</summary>
    internal int MaxConcurrency { get; private set; } = 1;

    /// <summary>
    /// True when calls are so short that the hot ones run on their callers' threads: a change of threads would cost as much as the call. A caller is then stuck
    /// with a call that is stuck. Otherwise every call has a thread of its own, which its caller can leave behind.
    /// </summary>
    internal bool RunsHotCallsHere { get; private set; }

    /// <summary>Loads the module and logs in to the token, watched: a module that hangs at its start must not hang the start of the service.</summary>
    internal static TokenConnection Open(HsmConfiguration configuration, TimeProvider time, Action<HsmEvent> events)
    {
        var watchdog = new Watchdog(
            configuration.WatchdogTimeout, time, () => events(new HsmEvent(HsmEventKind.Hung, "A call into the HSM module does not come back.")));
        var pin = PinSource.Open(configuration);
        var isLeft = 0;
        try
        {
            var (module, attachment) = watchdog.RunAsync(
                () =>
                {
                    var attached = Attach(configuration, pin);
                    if (Volatile.Read(ref isLeft) != 0)
                    {
                        Detach(attached.Module, attached.Attachment); // it came back after all, and nobody waits for it
                    }
                    return attached;
                },
                isProbe: true).GetAwaiter().GetResult();
            return new TokenConnection(configuration, module, attachment, pin, watchdog, time, events);
        }
        catch (StuckCallException stuck)
        {
            Volatile.Write(ref isLeft, 1);
            _ = stuck.Ended.ContinueWith(_ => pin.Dispose(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            watchdog.Dispose();
            throw HsmException.Hung(
                $"The HSM module {configuration.ModulePath} does not answer: while the token was being opened, a call into it took more than {watchdog.Timeout.TotalSeconds:0.#} seconds. "
                + "Check the device and its connection, then start again.", null);
        }
        catch
        {
            watchdog.Dispose();
            pin.Dispose();
            throw;
        }
    }

    /// <summary>Sets how calls run, once it is known how long they take. Nothing else runs yet.</summary>
    internal void Adapt(int maxConcurrency, bool runsHotCallsHere)
    {
        Watchdog.Allow(maxConcurrency);
        if (maxConcurrency > MaxConcurrency)
        {
            permits.Release(maxConcurrency - MaxConcurrency);
        }
        MaxConcurrency = maxConcurrency;
        RunsHotCallsHere = runsHotCallsHere;
    }

    /// <summary>
    /// Runs one operation with a rented session. <paramref name="operation"/> is synchronous and holds the gate open while it runs. Memory that it was given is
    /// its own until it returns: a call that hangs leaves its caller with <see cref="HsmException.LeftBehind"/>.
    /// </summary>
    /// <param name="operation">What to do.</param>
    /// <param name="state">What it is given.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    /// <param name="here">On the caller's thread, which then waits for it whatever happens.</param>
    /// <param name="caller">Names it in telemetry.</param>
    internal async ValueTask<T> RunAsync<TState, T>(
        Func<Attachment, HsmSession, TState, T> operation, TState state, CancellationToken cancellationToken, bool here = false,
        [CallerMemberName] string caller = "")
    {
        for (var attempt = 1; ; attempt++)
        {
            var attachment = await EnterAsync(cancellationToken).ConfigureAwait(false);
            var outcome = here
                ? RunHere(attachment, operation, state, caller)
                : await RunElsewhereAsync(attachment, operation, state, caller).ConfigureAwait(false);
            if (outcome.Failure is not { } failure)
            {
                return outcome.Result;
            }
            if (outcome.IsItsOwn)
            {
                if (attempt > 1)
                {
                    throw failure; // twice, with the canary singing each time: the operation has a reason of its own to fail
                }
                continue; // once proves nothing: the token may have been away for a moment
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
        if (Watchdog.IsProbeStuck)
        {
            throw recovery.Hung();
        }
        ObjectDisposedException.ThrowIf(disposed, this);
        var attachment = recovery.Current;
        if (attachment is null || !attachment.IsCurrent)
        {
            await recovery.RecoverAsync(attachment, cause: null, force: true, cancellationToken).ConfigureAwait(false);
            return;
        }
        if (!module.Gate.TryEnter())
        {
            await WaitTurnAsync(module.Gate.EnterAsync, cancellationToken).ConfigureAwait(false);
        }
        try
        {
            await Watchdog.RunAsync(() => ExamineAndExit(attachment), isProbe: true).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw recovery.Hung();
        }
        catch (HsmException exception) when (!ReturnCodes.IsOutOfSessions(exception.ReturnCode)) // a reconnect would give up the sessions we have
        {
            await recovery.RecoverAsync(attachment, exception, force: true, cancellationToken).ConfigureAwait(false);
        }
        if (Watchdog.WriteOff(MaxConcurrency) is > 0 and var gone)
        {
            permits.Release(gone);
        }
        ThrowIfHung();
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
            if (Watchdog.HasStuckInside)
            {
                throw new TimeoutException();
            }
            var closure = await module.Gate.CloseAsync(configuration.WatchdogTimeout, TimeProvider.System, CancellationToken.None).ConfigureAwait(false);
            await Watchdog.RunAsync(() => Leave(closure), isProbe: true).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // A call is stuck inside the module: it can neither be closed nor finalised, only left to the end of the process.
            recovery.Close(touchModule: false);
        }
        Watchdog.Dispose();
        pin.Dispose();
    }

    private static (Pkcs11Module Module, Attachment Attachment) Attach(HsmConfiguration configuration, PinSource pin)
    {
        var module = Pkcs11Module.Acquire(configuration.ModulePath, configuration.NssParameters);
        try
        {
            // Inside the gate: another token of this module may be reconnecting at this very moment.
            module.Gate.EnterAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
            try
            {
                return (module, Attachment.Open(module, configuration, pin));
            }
            finally
            {
                module.Gate.Exit();
            }
        }
        catch
        {
            module.Release();
            throw;
        }
    }

    private static void Detach(Pkcs11Module module, Attachment attachment)
    {
        using (module.Gate.CloseAsync(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None).GetAwaiter().GetResult())
        {
            attachment.Close();
            module.Release();
        }
    }

    private bool Leave(OperationGate.Closure closure)
    {
        using (closure)
        {
            recovery.Close(touchModule: true);
            module.Release();
        }
        return true;
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

    private Outcome<T> RunHere<TState, T>(Attachment attachment, Func<Attachment, HsmSession, TState, T> operation, TState state, string caller)
    {
        var place = Watchdog.Enter();
        try
        {
            return Judge(attachment, operation, state, caller);
        }
        finally
        {
            Exit(Watchdog.Leave(place));
        }
    }

    private async Task<Outcome<T>> RunElsewhereAsync<TState, T>(
        Attachment attachment, Func<Attachment, HsmSession, TState, T> operation, TState state, string caller)
    {
        try
        {
            return await Watchdog.RunAsync(() => Judge(attachment, operation, state, caller), Exit).ConfigureAwait(false);
        }
        catch (StuckCallException stuck)
        {
            throw recovery.Hung(stuck.Ended);
        }
    }

    /// <summary>Runs the operation once, and when its failure says nothing asks the canary whose it is.</summary>
    private static Outcome<T> Judge<TState, T>(Attachment attachment, Func<Attachment, HsmSession, TState, T> operation, TState state, string caller)
    {
        try
        {
            return new Outcome<T>(RunOnce(attachment, operation, state, caller), null, false);
        }
        catch (HsmException exception) when (MayRecover(exception))
        {
            return new Outcome<T>(default!, exception, ReturnCodes.IsAmbiguous(exception.ReturnCode) && attachment.IsWell());
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
            Exit(keepsPlace: true);
            recovery.ThrowIfClosed();
            await recovery.RecoverAsync(attachment, cause: null, force: false, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Leaves the gate, and gives the permit back unless it was given to another when this call was written off.</summary>
    private void Exit(bool keepsPlace)
    {
        module.Gate.Exit();
        if (keepsPlace)
        {
            permits.Release();
        }
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

    /// <summary>How an operation went: its result; or a failure that may be the token's, or is its own since the canary sings.</summary>
    private readonly record struct Outcome<T>(T Result, HsmException? Failure, bool IsItsOwn);
}
