namespace KeyService.Crypto.Approvals;

/// <summary>What an officer says of a request.</summary>
public enum ApprovalDecision
{
    /// <summary>Counts towards the quorum.</summary>
    Approve = 1,

    /// <summary>Ends the request, whatever others say.</summary>
    Reject = 2,
}
