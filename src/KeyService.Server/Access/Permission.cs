namespace KeyService.Server.Access;

/// <summary>What a grant can allow. Numbers and names are frozen: they stand in rows, audit records and <c>access.proto</c>.</summary>
internal enum Permission
{
    /// <summary>Every registered, enabled principal may; cannot be granted.</summary>
    None = 0,
    GenerateDataKey = 1,
    UnwrapDataKey = 2,
    RewrapDataKey = 3,
    Encrypt = 4,
    Decrypt = 5,
    Reencrypt = 6,
    CreateKey = 7,
    ReadKey = 8,
    RotateKey = 9,
    AdministerAccess = 10,
    ReadAudit = 11,
    ReadSystem = 12,

    /// <summary>Suspends, resumes, deactivates versions; declares them compromised.</summary>
    ChangeKeyState = 13,

    /// <summary>Changes rotation periods and limits.</summary>
    SetKeyPolicy = 14,

    /// <summary>Asks for destruction, and cancels it.</summary>
    DestroyKey = 15,
    ReadAlarms = 16,
    AcknowledgeAlarm = 17,
    ReadBackup = 18,
    ExportBackup = 19,

    /// <summary>Reads the register of where wrapped keys and tokens live, and the campaigns over it.</summary>
    ReadHoldings = 20,

    /// <summary>Tells what a holding holds, as the job that looks at it found.</summary>
    ReportHolding = 21,

    /// <summary>Registers holdings, starts and ends campaigns.</summary>
    AdministerHoldings = 22,

    /// <summary>Accepts a database that was restored to an earlier day, or a clock that was set back.</summary>
    AcceptStore = 23,

    /// <summary>Ends sessions of people, unlocks them, takes lost second factors away.</summary>
    AdministerPeople = 28,

    /// <summary>Asks for emergency access, and confirms what another person asked for.</summary>
    OpenBreakGlass = 29,

    /// <summary>Reviews emergency access; makes the sealed envelopes.</summary>
    ReviewBreakGlass = 30,

    /// <summary>Reads requests that wait for a quorum, and what officers said.</summary>
    ReadApprovals = 33,

    /// <summary>Brings officers' signed approvals and rejections.</summary>
    DecideApprovals = 34,

    /// <summary>Installs a roster of officers that others have signed.</summary>
    InstallRoster = 35,

    /// <summary>Reads who may do what: the access matrix, and why something is allowed or not.</summary>
    ReadAccess = 38,

    /// <summary>Takes the audit log out whole.</summary>
    ExportAudit = 24,

    /// <summary>Reads what was found in the audit log, and what people made of it.</summary>
    ReadFindings = 44,

    /// <summary>Assigns findings and says what they turned out to be.</summary>
    ReviewFindings = 45,

    /// <summary>Signs months of findings off, as a person.</summary>
    SignOffReview = 46,

    /// <summary>Registers the file in which a month of the audit log is kept.</summary>
    ArchiveAudit = 49,

    /// <summary>Deletes records of the audit log that have been kept for the years of retention.</summary>
    DeleteAudit = 50,

    /// <summary>Takes evidence for an auditor out.</summary>
    ExportEvidence = 51,

    /// <summary>Attests in an access review what the principals may do whose manager one is, as a person.</summary>
    AttestAccess = 52,

    /// <summary>Has another key sign the audit log.</summary>
    RotateAuditKey = 25,
}
