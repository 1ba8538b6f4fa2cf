using KeyService.Crypto;

namespace KeyService.Server.Destruction;

/// <summary>Frozen numbers, the same as in <c>destruction.proto</c>.</summary>
internal enum DestructionState : byte
{
    Waiting = 1,
    PendingApproval = 2,
    Cancelled = 3,
    Blocked = 4,
    Destroyed = 5,
}

/// <summary>A row of <c>destructions</c> whose MAC was verified when it was read.</summary>
/// <param name="Versions">At least one.</param>
/// <param name="WholeKey">Every version that the key had.</param>
/// <param name="DueTime">End of the waiting period.</param>
/// <param name="EndedBy">Null when the service ended it, or it has not ended.</param>
/// <param name="Uses">Calls that did something with one of the versions while it waited, as far as servers have told.</param>
/// <param name="Certificate">Encoded <c>DestructionCertificate</c> as of the last scan.</param>
internal sealed record DestructionRow(
    ulong Id,
    string Key,
    IReadOnlyList<KeyVersionId> Versions,
    bool WholeKey,
    string Reason,
    DestructionState State,
    string AskedBy,
    DateTimeOffset AskTime,
    DateTimeOffset DueTime,
    string? EndedBy,
    DateTimeOffset? EndTime,
    long Uses,
    DateTimeOffset? LastUseTime,
    byte[] Certificate,
    long Revision)
{
    public string IdText => TextOf(Id);

    public static string TextOf(ulong id) => id.ToString("x16", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Whether it waits, for time or for approval.</summary>
    public bool IsOpen => State is DestructionState.Waiting or DestructionState.PendingApproval;
}
