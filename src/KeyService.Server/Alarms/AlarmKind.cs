namespace KeyService.Server.Alarms;

/// <summary>What an alarm is about. Numbers and names are frozen: they stand in rows, events and webhooks.</summary>
internal enum AlarmKind
{
    /// <summary>A key's active version nears its hard limit and has not been rotated. Subject: the key.</summary>
    KeyAging = 1,

    /// <summary>A version cannot be activated, because no verified bundle holds it at enough destinations. Subject: the key.</summary>
    BackupGateClosed = 2,

    /// <summary>A version has used more than half of the encryptions that SP 800-38D allows. Subject: the key.</summary>
    WrapBudgetLow = 3,

    /// <summary>A certificate ends within 30 days, or lives longer than 12 months. Subject: the certificate.</summary>
    CertificateExpiring = 4,

    /// <summary>The clock stands earlier than records that were made. Subject: the server.</summary>
    ClockSetBack = 5,

    /// <summary>Rows of the store were changed, removed or put back outside the service. Subject: table and row.</summary>
    StoreTampered = 6,

    /// <summary>The database was put back to an earlier day. Subject: the installation.</summary>
    StoreRestored = 7,

    /// <summary>A version was declared compromised. Subject: the key.</summary>
    KeyCompromised = 8,

    /// <summary>A destination of backups cannot be written, or holds a bundle that does not verify. Subject: the destination.</summary>
    BackupDestination = 9,

    /// <summary>Something was done with a version whose destruction is waiting. Subject: the key.</summary>
    DestroyingKeyInUse = 10,

    /// <summary>The clock jumped forward. Subject: the server.</summary>
    ClockJumped = 11,

    /// <summary>A server could not have its audit log signed for five minutes, or found it changed. Subject: the server.</summary>
    CheckpointMissing = 20,

    /// <summary>Somebody who should hold checkpoints does not get them, or holds another history. Subject: the destination.</summary>
    CheckpointDestination = 21,

    /// <summary>Wrong codes locked a person. Subject: the person.</summary>
    PersonLocked = 30,

    /// <summary>A session came over another certificate than the one that opened it. Subject: the person.</summary>
    SessionReplayed = 31,

    /// <summary>A revocation list is expired, or its file cannot be used. Subject: the issuer, or the files.</summary>
    RevocationListUnusable = 32,

    /// <summary>A credential was used from more places than its policy allows. Subject: the principal.</summary>
    CredentialAtNewPlace = 33,

    /// <summary>A month of the audit log stands in no archive. Subject: the log.</summary>
    AuditArchiveOverdue = 40,
    /// <summary>Emergency access is open. Subject: the person.</summary>
    BreakGlassOpen = 34,

    /// <summary>Emergency access is over and was not reviewed: until then there is no other. Subject: its id.</summary>
    BreakGlassReviewDue = 35,

    /// <summary>The sealed envelopes were opened, or tried in vain too often: there is no fallback. Subject: envelopes.</summary>
    EnvelopesSpent = 36,

    /// <summary>A sink of the audit log lacks records for longer than it may. Subject: the sink.</summary>
    SinkBehind = 50,

    /// <summary>Something was found in the audit log that nobody has reviewed. Subject: rule and whom it is about.</summary>
    Finding = 51,

    /// <summary>Findings wait longer for their review than they may. Subject: "findings".</summary>
    ReviewOverdue = 52,

    /// <summary>A month was not signed off in time. Subject: the month.</summary>
    SignOffOverdue = 53,

    /// <summary>A review of access ends soon, and will suspend principals that nobody attested. Subject: its id.</summary>
    AccessReviewDue = 60,

    /// <summary>No review of access was closed for longer than there may be none, or one does not end. Subject: "access", or its id.</summary>
    AccessReviewOverdue = 61,

    /// <summary>Nobody attested somebody without whom nobody could administer access. Subject: the principal.</summary>
    AdministratorNotAttested = 62,

    /// <summary>No share check was completed for longer than there may be none. Subject: "share-check".</summary>
    ShareCheckOverdue = 70,

    /// <summary>No restore drill was. Subject: "restore-drill".</summary>
    RestoreDrillOverdue = 71,

    /// <summary>No backup export was. Subject: "backup-export".</summary>
    BackupExportOverdue = 72,
}
