using KeyService.Server.Pipeline;

namespace KeyService.Server.Alarms;

/// <summary>
/// The one way out for alarms. Raising and clearing are idempotent for each kind and subject, do not throw, and may be called again and
/// again while the condition stands or does not: nothing changed costs a look into memory. Do not call from inside a change of the store,
/// which the alarm's own commit would wait for.
/// </summary>
/// <param name="book">Where alarms are kept; without one (tools, tests of what raises) they are lines of log and nothing else.</param>
internal sealed partial class AlarmOutlet(ILogger<AlarmOutlet> logger, AlarmBook? book = null)
{
    private const int MaxSubjectLength = 256;
    private const int MaxMessageLength = 1024;

    /// <summary>A subject as alarms have it: for who compares his own with <see cref="StandingAsync"/>.</summary>
    public static string SubjectOf(string text) => OneLine.Of(text, MaxSubjectLength);

    /// <summary>The condition stands.</summary>
    /// <param name="subject">What it is about, see <see cref="AlarmKind"/>; 1 to 256 characters.</param>
    /// <param name="message">What is wrong and what to do, one or two sentences; no secret, no patient data.</param>
    public Task RaiseAsync(AlarmKind kind, string subject, string message, CancellationToken cancellationToken) =>
        RaiseAsync(kind, subject, message, AlarmKinds.SeverityOf(kind), cancellationToken);

    /// <summary>The condition stands, and is more or less pressing than usual for its kind.</summary>
    public async Task RaiseAsync(AlarmKind kind, string subject, string message, AlarmSeverity severity, CancellationToken cancellationToken)
    {
        var condition = new AlarmCondition(kind, SubjectOf(subject), OneLine.Of(message, MaxMessageLength), severity);
        if (book is null)
        {
            Raised(logger, condition.Kind, condition.Subject, condition.Message);
            return;
        }

        try
        {
            await book.RaiseAsync(condition, cancellationToken);
        }
        catch (Exception exception)
        {
            Failed(logger, condition.Kind, condition.Subject, condition.Message, exception);
        }
    }

    /// <summary>The condition does not stand any more.</summary>
    public async Task ClearAsync(AlarmKind kind, string subject, CancellationToken cancellationToken)
    {
        subject = SubjectOf(subject);
        if (book is null)
        {
            Cleared(logger, kind, subject);
            return;
        }

        try
        {
            await book.ClearAsync(kind, subject, cancellationToken);
        }
        catch (Exception exception)
        {
            Failed(logger, kind, subject, "its condition is over", exception);
        }
    }

    /// <summary>
    /// Subjects of this kind whose condition stood when this server last looked, for whoever judges all of a kind at once; null when the store
    /// has not answered since the start.
    /// </summary>
    public async Task<IReadOnlyList<string>?> StandingAsync(AlarmKind kind, CancellationToken cancellationToken) =>
        book is null ? [] : await book.StandingAsync(kind, cancellationToken);

    [LoggerMessage(6010, LogLevel.Information, "Alarm {Kind} of {Subject} is over")]
    private static partial void Cleared(ILogger logger, AlarmKind kind, string subject);

    [LoggerMessage(6011, LogLevel.Error, "Alarm {Kind} of {Subject}: {Message}")]
    private static partial void Raised(ILogger logger, AlarmKind kind, string subject, string message);

    [LoggerMessage(6012, LogLevel.Error, "Alarm {Kind} of {Subject} ({Message}) could not be taken")]
    private static partial void Failed(ILogger logger, AlarmKind kind, string subject, string message, Exception exception);
}
