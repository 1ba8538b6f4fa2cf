using System.Diagnostics.CodeAnalysis;
using KeyService.Hsm.Login;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;

namespace KeyService.Hsm.Connection;

/// <summary>
/// Holds the current attachment and replaces it: drain, Finalize, Initialize, find the token, log in, find the root, verify its attributes, ask the canary
/// whether it is the same root. One at a time; callers who find it done by another go on with the result.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Its semaphore never makes a wait handle, and late callers may still release it.")]
internal sealed class TokenRecovery
{
    private readonly Pkcs11Module module;
    private readonly HsmConfiguration configuration;
    private readonly PinSource pin;
    private readonly Watchdog watchdog;
    private readonly TimeProvider time;
    private readonly Action<HsmEvent> events;
    private readonly SemaphoreSlim single = new(1, 1);
    private volatile Attachment? current;
    private volatile HsmException? loss;
    private volatile bool closed;
    private Canary? canary;
    private long lastAttempt;

    internal TokenRecovery(
        Pkcs11Module module, Attachment attachment, HsmConfiguration configuration, PinSource pin, Watchdog watchdog, TimeProvider time,
        Action<HsmEvent> events)
    {
        this.module = module;
        this.configuration = configuration;
        this.pin = pin;
        this.watchdog = watchdog;
        this.time = time;
        this.events = events;
        current = Latest = attachment;
    }

    /// <summary>The attachment to work with; null, or not current, when the token is lost.</summary>
    internal Attachment? Current => current;

    /// <summary>The last attachment there was: what is known of a token that is lost.</summary>
    internal Attachment Latest { get; private set; }

    /// <summary>Why the token is lost; null while it is not.</summary>
    internal HsmException? Loss => loss;

    /// <summary>Makes the canary once there is a root to wrap it, and keeps it over reconnects.</summary>
    internal void KeepCanary(Attachment attachment, HsmSession session)
    {
        if (canary is null && attachment.Keys.Root is { } root)
        {
            canary = Canary.Make(session, root);
        }
        attachment.Canary = canary;
    }

    /// <summary>Replaces <paramref name="seen"/>, unless somebody has done so already.</summary>
    /// <param name="seen">The attachment that failed.</param>
    /// <param name="cause">The failure; null when the attachment was found to be of an earlier life of the module.</param>
    /// <param name="force">Try now, even if the last attempt was a moment ago.</param>
    /// <param name="cancellationToken">Ends the wait, not the reconnect.</param>
    internal async Task RecoverAsync(Attachment? seen, HsmException? cause, bool force, CancellationToken cancellationToken)
    {
        await single.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (current != seen && current is { IsCurrent: true })
            {
                return;
            }
            if (loss is { } known && !force && time.GetElapsedTime(lastAttempt) < configuration.ReconnectInterval)
            {
                throw HsmException.Lost(known);
            }
            if (watchdog.HasStuckInside)
            {
                throw Hung(); // it cannot be drained, so it cannot be finalised
            }
            var closure = await module.Gate.CloseAsync(watchdog.Timeout, time, cancellationToken).ConfigureAwait(false);
            await watchdog.RunAsync(() => Replace(seen, cause, closure), isProbe: true).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw Hung();
        }
        finally
        {
            single.Release();
        }
    }

    /// <param name="leftBehind">The call itself, if it is the one that is stuck.</param>
    internal HsmException Hung(Task? leftBehind = null) => HsmException.Hung(
        $"The HSM module does not answer: a call has been inside it for more than {watchdog.Timeout.TotalSeconds:0.#} seconds. Check the device and its "
        + "connection; calls work again when it answers. If it never does, restart the service.",
        leftBehind);

    /// <summary>Closes the token's sessions for good. With the gate closed, or, when a call is stuck inside the module, without touching it.</summary>
    internal void Close(bool touchModule)
    {
        closed = true;
        if (touchModule)
        {
            current?.Close();
        }
    }

    /// <summary>Throws when the token was closed: a call that waited meanwhile must not bring the module to life again.</summary>
    internal void ThrowIfClosed() => ObjectDisposedException.ThrowIf(closed, typeof(HsmToken));

    /// <summary>Runs with the gate closed, and opens it, whatever happens and however late.</summary>
    private bool Replace(Attachment? seen, HsmException? cause, OperationGate.Closure closure)
    {
        using (closure)
        {
            ThrowIfClosed();
            if (current != seen && current is { IsCurrent: true })
            {
                return true;
            }
            if (loss is null && cause is not null)
            {
                events(new HsmEvent(HsmEventKind.Lost, $"The token is lost. {cause.Message}", cause));
            }
            lastAttempt = time.GetTimestamp();
            try
            {
                // Another token of this module may have finalised it already; then there is nothing left of the old life to end.
                if (!module.IsInitialized || seen is null || seen.IsCurrent)
                {
                    module.Reinitialize();
                }
                current = null;
                var attachment = Attachment.Open(module, configuration, pin);
                try
                {
                    RequireSameRoot(attachment);
                }
                catch
                {
                    attachment.Close();
                    throw;
                }
                current = Latest = attachment;
                loss = null;
            }
            catch (HsmException exception)
            {
                loss = exception;
                events(new HsmEvent(HsmEventKind.ReconnectFailed, exception.Message, exception));
                throw HsmException.Lost(exception);
            }
            events(new HsmEvent(HsmEventKind.Reconnected, $"The token '{current.Token.Label}' is connected again (generation {current.Generation})."));
            return true;
        }
    }

    private void RequireSameRoot(Attachment attachment)
    {
        attachment.Canary = canary;
        if (canary is not null && attachment.Keys.Root is null)
        {
            throw new HsmException(HsmFault.HierarchyMissing,
                $"The token '{attachment.Token.Label}' is back, but without the root key it had. It was initialised anew or replaced; restore its directory or device.");
        }
        attachment.Examine();
    }
}
