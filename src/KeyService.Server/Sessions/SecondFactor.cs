namespace KeyService.Server.Sessions;

/// <summary>State of a second factor; frozen numbers, the same as in <c>sessions.proto</c>.</summary>
internal enum SecondFactorState : byte
{
    /// <summary>A seed was offered and no code has come.</summary>
    Offered = 1,
    Active = 2,

    /// <summary>Taken away by two officers: the person may enrol anew.</summary>
    Removed = 3,
}

/// <summary>A person's second factor at one revision.</summary>
internal sealed record SecondFactor
{
    public required string Principal { get; init; }

    /// <summary>Encrypted (<see cref="SeedVault"/>); empty when removed.</summary>
    public required byte[] Seed { get; init; }

    public required SecondFactorState State { get; init; }

    public required DateTimeOffset OfferTime { get; init; }

    public required DateTimeOffset? ActivateTime { get; init; }

    /// <summary>Step of the last code that was taken; -1 before the first.</summary>
    public required long LastStep { get; init; }

    /// <summary>Wrong codes since the last right one.</summary>
    public required long Failures { get; init; }

    public required DateTimeOffset? LockTime { get; init; }

    /// <summary>The officer who asked for it to be taken away; null when none did.</summary>
    public required string? ResetAskedBy { get; init; }

    public required DateTimeOffset? ResetAskTime { get; init; }

    public required long Revision { get; init; }

    public bool IsLocked => LockTime is not null;

    /// <summary>An officer's request that a second one may still confirm.</summary>
    public bool IsResetAsked(DateTimeOffset now) => ResetAskTime is { } asked && now < asked + SessionLimits.ResetConfirmation;
}
