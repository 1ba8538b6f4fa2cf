namespace KeyService.Server.Alarms;

/// <summary>
/// The one way out for alarms. Raising and clearing are idempotent for each kind and subject, do not throw, and may be called again and
/// again while the condition stands or does not.
/// </summary>
internal sealed partial class AlarmOutlet(ILogger<AlarmOutlet> logger)
{
    /// <summary>The condition stands.</summary>
    /// <param name="subject">What it is about, see <see cref="AlarmKind"/>; 1 to 256 characters.</param>
    /// <param name="message">What is wrong and what to do, one or two sentences; no secret, no patient data.</param>
    public Task RaiseAsync(AlarmKind kind, string subject, string message, CancellationToken cancellationToken)
    {
        Raised(logger, kind, subject, message);
        return Task.CompletedTask;
    }

    /// <summary>The condition does not stand any more.</summary>
    public Task ClearAsync(AlarmKind kind, string subject, CancellationToken cancellationToken)
    {
        Cleared(logger, kind, subject);
        return Task.CompletedTask;
    }

    [LoggerMessage(6001, LogLevel.Information, "Alarm {Kind} of {Subject} is over")]
    private static partial void Cleared(ILogger logger, AlarmKind kind, string subject);

    [LoggerMessage(6000, LogLevel.Error, "Alarm {Kind} of {Subject}: {Message}")]
    private static partial void Raised(ILogger logger, AlarmKind kind, string subject, string message);
}
