namespace KeyService.Server.Approvals;

/// <summary>Frozen numbers, the same as in <c>approvals.proto</c>. That one expired is not written: its time says so.</summary>
internal enum ApprovalState : byte
{
    Pending = 1,

    /// <summary>A quorum approved; the requester may make the call again.</summary>
    Approved = 2,
    Rejected = 3,

    /// <summary>The call ran: it never runs again by this approval.</summary>
    Used = 4,
}
