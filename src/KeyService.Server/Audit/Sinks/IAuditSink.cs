using KeyService.Server.Audit.Search;

namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// A place outside the store that gets every committed record, at least once, those of a slot in their order. Used by one caller at a time.
/// </summary>
internal interface IAuditSink : IAsyncDisposable
{
    /// <summary>After how much it wants to be asked for a confirmation.</summary>
    SinkPace Pace { get; }

    /// <summary>Takes records, but does not vouch for them yet.</summary>
    /// <exception cref="SinkException">It does not take them now.</exception>
    Task SendAsync(int slot, IReadOnlyList<LoggedRecord> records, CancellationToken cancellationToken);

    /// <summary>Comes back when everything that was sent since the last confirmation has arrived.</summary>
    /// <exception cref="SinkException">It may not have.</exception>
    Task ConfirmAsync(CancellationToken cancellationToken);

    /// <summary>Forgets what was sent and not confirmed; it will be sent again. Does not throw.</summary>
    Task ResetAsync();
}

/// <summary>When a sink is asked to confirm, whichever comes first.</summary>
/// <param name="Records">Records sent since.</param>
/// <param name="Bytes">Bytes of them.</param>
/// <param name="Age">Time since the first of them was sent.</param>
internal readonly record struct SinkPace(long Records, long Bytes, TimeSpan Age);

/// <summary>A sink does not take records; the message says why, one line without a secret.</summary>
internal sealed class SinkException(string message, Exception? cause = null) : Exception(message, cause);
