namespace KeyService.Server.Sessions;

/// <summary>The numbers of people's sessions (R8): part of what is promised, so none of them is configured.</summary>
internal static class SessionLimits
{
    /// <summary>A session without a call for so long is over. Uses are noted once a <see cref="NoteEvery"/>, so it may be over that much earlier.</summary>
    public static readonly TimeSpan Idle = TimeSpan.FromMinutes(15);

    /// <summary>And after so long whatever is done in it.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromHours(8);

    /// <summary>What asks for a fresh code takes one of so long ago.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromMinutes(5);

    /// <summary>How often the use of a session is written.</summary>
    public static readonly TimeSpan NoteEvery = TimeSpan.FromMinutes(1);

    /// <summary>Time in which a second officer must confirm that a second factor is taken away.</summary>
    public static readonly TimeSpan ResetConfirmation = TimeSpan.FromHours(24);

    /// <summary>So many wrong codes in a row lock the person.</summary>
    public const int Failures = 3;

    /// <summary>Bytes of a session's token.</summary>
    public const int TokenLength = 32;
}
