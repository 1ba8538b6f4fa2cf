namespace KeyService.Crypto.Approvals;

/// <summary>What one approval is worth. Names are stable.</summary>
public enum ApprovalFinding
{
    /// <summary>It counts towards the quorum.</summary>
    Approves = 0,

    /// <summary>It ends the request.</summary>
    Rejects = 1,

    /// <summary>It is over the digest of another request.</summary>
    AnotherRequest = 2,

    /// <summary>The request's roster has no such officer.</summary>
    NotInRoster = 3,

    /// <summary>It is by who asked.</summary>
    OwnRequest = 4,

    /// <summary>The officer's key did not make the signature.</summary>
    WrongSignature = 5,

    /// <summary>It was made before the request, after its end, or after another roster had taken the place of its own.</summary>
    OutsideTime = 6,

    /// <summary>The same officer said so already.</summary>
    Repeated = 7,
}
