namespace KeyService.Server.Audit;

/// <summary>Type of an event, 45 CFR 164.312(b); frozen numbers, the same as in <c>audit.proto</c>.</summary>
internal enum AuditType : byte
{
    Read = 1,
    Modify = 2,
    Delete = 3,
    Administer = 4,
}

/// <summary>How a call ended; frozen numbers, the same as in <c>audit.proto</c>.</summary>
internal enum AuditOutcome : byte
{
    Success = 1,

    /// <summary>The service refused: no principal, no grant, bad argument, failed decryption.</summary>
    Refused = 2,

    /// <summary>The service could not: HSM, store, defect.</summary>
    Failed = 3,
}
