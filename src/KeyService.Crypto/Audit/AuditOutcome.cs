namespace KeyService.Crypto;

/// <summary>How an audited event ended. Frozen.</summary>
public enum AuditOutcome : byte
{
    /// <summary>It was done.</summary>
    Success = 1,

    /// <summary>It was not allowed, or the caller was not who they must be.</summary>
    Refused = 2,

    /// <summary>It was allowed and could not be done.</summary>
    Failed = 3,

    /// <summary>It waits for approval.</summary>
    Pending = 4,

    /// <summary>A stream was opened; another record says how it ended.</summary>
    Opened = 5,
}
