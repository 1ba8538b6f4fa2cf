namespace KeyService.Server.Pipeline;

/// <summary>Whether a call needs officers besides who makes it (docs/spec/approvals.md).</summary>
internal enum QuorumRule
{
    /// <summary>Who may, does.</summary>
    None,

    /// <summary>A quorum approves it once a roster of officers is installed; before that who may, does.</summary>
    OnceInstalled,

    /// <summary>
    /// As <see cref="OnceInstalled"/>, for those calls that the implementation calls an exception (<see cref="Call.IsException"/>).
    /// </summary>
    Exceptions,

    /// <summary>A quorum approves it always; without a roster it is refused.</summary>
    Always,

    /// <summary>What it brings is signed by a quorum itself.</summary>
    SignedRoster,
}
