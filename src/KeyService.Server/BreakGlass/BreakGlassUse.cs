namespace KeyService.Server.BreakGlass;

/// <summary>State of a use of break-glass; frozen numbers, the same as in <c>break_glass.proto</c>.</summary>
internal enum BreakGlassState : byte
{
    /// <summary>Waits for the second person.</summary>
    Asked = 1,
    Open = 2,

    /// <summary>Over, and not reviewed.</summary>
    Ended = 3,
    Reviewed = 4,
}

/// <summary>What a review finds; frozen numbers.</summary>
internal enum BreakGlassVerdict : byte
{
    Justified = 1,
    NotJustified = 2,
}

/// <summary>One use of break-glass at one revision.</summary>
internal sealed record BreakGlassUse
{
    /// <summary>A request that nobody confirmed in this time is none any more.</summary>
    public static readonly TimeSpan Confirmation = TimeSpan.FromMinutes(15);

    /// <summary>Random; 16 hexadecimal digits where it is shown.</summary>
    public required ulong Id { get; init; }

    public required string Principal { get; init; }

    public required string Reason { get; init; }

    /// <summary>Opened by the two envelopes instead of a second person.</summary>
    public required bool Sealed { get; init; }

    /// <summary>The first factor that opened it by envelopes; empty otherwise.</summary>
    public required string Binding { get; init; }

    public required BreakGlassState State { get; init; }

    public required DateTimeOffset AskTime { get; init; }

    public required string? ConfirmedBy { get; init; }

    public required DateTimeOffset? OpenTime { get; init; }

    /// <summary>First instant at which it gives nothing any more.</summary>
    public required DateTimeOffset? EndTime { get; init; }

    public required string? ReviewedBy { get; init; }

    public required DateTimeOffset? ReviewTime { get; init; }

    public required BreakGlassVerdict? Verdict { get; init; }

    public required string? Note { get; init; }

    public required long Revision { get; init; }

    public string IdText => Id.ToString("x16", System.Globalization.CultureInfo.InvariantCulture);

    public bool IsOpen(DateTimeOffset now) => State == BreakGlassState.Open && now < EndTime;

    /// <summary>It is over, by its time or earlier, and nobody has reviewed it: until then there is no other.</summary>
    public bool AwaitsReview(DateTimeOffset now) => State == BreakGlassState.Ended || State == BreakGlassState.Open && now >= EndTime;
}
