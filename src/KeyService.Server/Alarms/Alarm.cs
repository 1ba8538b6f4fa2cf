namespace KeyService.Server.Alarms;

/// <summary>What somebody found to be so: an alarm is made of it, or the open one is brought up to date.</summary>
/// <param name="Subject">What it is about, see <see cref="AlarmKind"/>; 1 to 256 characters of printable ASCII.</param>
/// <param name="Message">What is wrong, 1 to 1,024 characters of printable ASCII.</param>
internal sealed record AlarmCondition(AlarmKind Kind, string Subject, string Message, AlarmSeverity Severity);

/// <summary>Who has taken notice of an alarm.</summary>
/// <param name="By">Name of the principal.</param>
/// <param name="Note">What it wrote, 1 to 1,024 characters.</param>
internal sealed record Acknowledgement(DateTimeOffset Time, string By, string Note);

/// <summary>
/// An alarm at one revision. It is open until its condition is over and somebody has acknowledged it, in either order; while it is open the
/// same kind and subject make no second one.
/// </summary>
internal sealed record Alarm
{
    /// <summary>Random, not 0.</summary>
    public required ulong Id { get; init; }

    public required AlarmKind Kind { get; init; }

    public required string Subject { get; init; }

    public required string Message { get; init; }

    public required AlarmSeverity Severity { get; init; }

    public required DateTimeOffset RaiseTime { get; init; }

    /// <summary>When it was told last: raised, raised again, or repeated.</summary>
    public required DateTimeOffset LastRaiseTime { get; init; }

    /// <summary>How often it was told after the first time.</summary>
    public required long Repeats { get; init; }

    /// <summary>Since when the condition is over; null while it stands.</summary>
    public required DateTimeOffset? ClearTime { get; init; }

    public required Acknowledgement? Acknowledgement { get; init; }

    public required long Revision { get; init; }

    public string IdText => Id.ToString("x16", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The condition is not over.</summary>
    public bool Stands => ClearTime is null;

    public bool IsOpen => Stands || Acknowledgement is null;

    public static Alarm New(ulong id, AlarmCondition condition, DateTimeOffset now) => new()
    {
        Id = id,
        Kind = condition.Kind,
        Subject = condition.Subject,
        Message = condition.Message,
        Severity = condition.Severity,
        RaiseTime = now,
        LastRaiseTime = now,
        Repeats = 0,
        ClearTime = null,
        Acknowledgement = null,
        Revision = 1,
    };

    /// <summary>
    /// The open alarm with its condition found to stand: itself when that is nothing new. Come back or become worse, it is told again; who
    /// acknowledged a warning has not acknowledged that it became critical.
    /// </summary>
    public Alarm RaisedAgain(AlarmCondition condition, DateTimeOffset now)
    {
        var worse = condition.Severity > Severity;
        if (!Stands || worse)
        {
            return this with
            {
                Message = condition.Message,
                Severity = condition.Severity,
                LastRaiseTime = now,
                Repeats = Repeats + 1,
                ClearTime = null,
                Acknowledgement = worse ? null : Acknowledgement,
                Revision = Revision + 1,
            };
        }

        return condition.Severity != Severity || condition.Message != Message
            ? this with { Message = condition.Message, Severity = condition.Severity, Revision = Revision + 1 }
            : this;
    }

    /// <summary>With the condition over: itself when it was already.</summary>
    public Alarm Cleared(DateTimeOffset now) => Stands ? this with { ClearTime = now, Revision = Revision + 1 } : this;

    /// <summary>Told once more because nobody acknowledged it.</summary>
    public Alarm Repeated(DateTimeOffset now) => this with { LastRaiseTime = now, Repeats = Repeats + 1, Revision = Revision + 1 };

    /// <summary>Acknowledged: itself when it was already.</summary>
    public Alarm Acknowledged(Acknowledgement acknowledgement) =>
        Acknowledgement is null ? this with { Acknowledgement = acknowledgement, Revision = Revision + 1 } : this;

    /// <summary>When it is to be told again, unless somebody acknowledges it before; a critical one sooner the first time.</summary>
    /// <param name="every">Time between two repetitions.</param>
    public DateTimeOffset RepeatTime(TimeSpan every) =>
        LastRaiseTime + (Severity == AlarmSeverity.Critical && Repeats == 0 ? every / 8 : every);
}
