namespace KeyService.Server.Audit;

/// <summary>
/// What a record is about. Numbers and names are frozen once released and only grow; each event's type stands in
/// <see cref="AuditEvents"/>. Hundreds group: 1 system, 2 access, 3 keys, 4 data keys, 5 ciphering, 6 audit, 7 alarms and certificates, 8 backups,
/// 9 holdings and destruction.
/// </summary>
internal enum AuditEvent : ushort
{
    ServiceStarted = 100,
    ServiceStopped = 101,
    InstallationCreated = 102,
    StatusRead = 103,
    HsmGuaranteesRead = 104,

    /// <summary>A method that this server does not have was called.</summary>
    UnknownMethodCalled = 105,

    /// <summary>A stream's opened record stands, its closed one is missing: the server died in between.</summary>
    StreamEndMissing = 106,

    /// <summary>Rows of a store that is older than the log's knowledge of rows were put on record.</summary>
    StoreAccountTaken = 107,

    /// <summary>Every deciding row was compared with the log.</summary>
    StoreScrubbed = 108,

    /// <summary>The database stands behind what this server had seen of it, or holds another log.</summary>
    StoreRestoreFound = 109,

    /// <summary>An officer accepted the database as it stands, or the clock.</summary>
    StoreAccepted = 110,
    StoreTrustRead = 111,

    /// <summary>The clock was found to be set back, or to have jumped; or it is right again.</summary>
    ClockFound = 112,
    /// <summary>A newer version began to count rows of tables that it brought.</summary>
    RegistersBegun = 129,

    /// <summary>Somebody asked for a scrub; <see cref="StoreScrubbed"/> says what it found.</summary>
    StoreScrubRequested = 113,

    PrincipalCreated = 200,
    PrincipalsListed = 201,
    PrincipalDisabled = 202,
    GrantCreated = 203,
    GrantsListed = 204,
    GrantRevoked = 205,
    OwnAccessRead = 206,

    /// <summary>A connection behind which no registered, enabled principal stands called something.</summary>
    AuthenticationRefused = 207,

    /// <summary>A principal that holds both sides of a forbidden pair called what belongs to one of them; the detail names the method and the pair.</summary>
    ForbiddenPairRefused = 208,
    EffectiveAccessListed = 209,
    AccessExplained = 210,

    /// <summary>A part of a grant's quota was reserved by this server.</summary>
    QuotaReserved = 211,

    /// <summary>One item of a batch of an AI system; the call's own record has the same trace id.</summary>
    AiItemEncrypted = 212,
    AiItemDecrypted = 213,

    /// <summary>A role change: old grants revoked and new ones given at once.</summary>
    PrincipalMoved = 214,
    LeaversReported = 215,

    /// <summary>A seed for an authenticator application was shown to a person.</summary>
    SecondFactorOffered = 240,
    SecondFactorActivated = 241,
    SessionOpened = 242,

    /// <summary>A fresh code was given for an open session.</summary>
    SessionConfirmed = 243,

    /// <summary>By the person.</summary>
    SessionClosed = 244,
    OwnSessionRead = 245,
    SessionsListed = 246,
    SessionEndedByOfficer = 247,
    PersonUnlocked = 248,

    /// <summary>One officer asked for a lost second factor to be taken away, or a second one confirmed it; the detail says which.</summary>
    SecondFactorReset = 249,
    SecondFactorsListed = 250,

    /// <summary>A session was used: noted once a minute.</summary>
    SessionUsed = 251,

    /// <summary>A session ended by its age.</summary>
    SessionEnded = 252,

    /// <summary>A credential was used from more places than its policy allows.</summary>
    CredentialAtNewPlace = 253,
    PlacePolicySet = 254,

    /// <summary>A place that a watched credential was used from: noted now and then.</summary>
    PlaceNoted = 255,
    PlacesListed = 256,

    KeyCreated = 300,
    KeyRead = 301,
    KeysListed = 302,
    KeyRotated = 303,
    KeyVersionsListed = 304,

    /// <summary>A block of wraps of a key version was reserved by this server.</summary>
    KeyWrapsReserved = 305,

    /// <summary>Versions were made ahead, to wait for their activation.</summary>
    KeyVersionsPrepared = 306,
    KeyPolicyChanged = 307,

    /// <summary>A version was suspended, resumed, deactivated or declared compromised.</summary>
    KeyVersionStateChanged = 308,
    KeyTransitionsListed = 309,
    KeyImpactRead = 310,
    KeyAgesListed = 311,
    RotationStatusRead = 312,

    /// <summary>Sums of what was done with versions were written.</summary>
    KeyUseMetered = 313,

    DataKeyGenerated = 400,
    DataKeysGenerated = 401,
    DataKeyUnwrapped = 402,
    DataKeyRewrapped = 403,
    DataKeysRewrapped = 404,
    LeaseWatchOpened = 405,
    LeaseWatchClosed = 406,

    /// <summary>A caller told what it did with data keys in its own process.</summary>
    DataKeyUseReported = 407,

    /// <summary>As <see cref="DataKeyUseReported"/>, and some of it was done after the lease had ended, while the service was away.</summary>
    DataKeyGraceUseReported = 408,

    FieldEncrypted = 500,
    FieldDecrypted = 501,
    FieldsEncrypted = 502,
    FieldsDecrypted = 503,
    FieldsReencrypted = 504,
    EncryptStreamOpened = 505,
    EncryptStreamClosed = 506,
    DecryptStreamOpened = 507,
    DecryptStreamClosed = 508,

    AuditTailOpened = 600,
    AuditTailClosed = 601,

    /// <summary>The service marked how far its log reaches (<see cref="AuditMark"/>).</summary>
    AuditLogMarked = 602,

    /// <summary>This server's slot was signed and entered in the directory log; the detail says what was entered.</summary>
    AuditCheckpointMade = 603,

    /// <summary>The directory log was signed.</summary>
    AuditDirectorySigned = 604,

    /// <summary>Public keys and the newest checkpoint of the logs were read.</summary>
    AuditLogKeysRead = 605,

    /// <summary>Somebody begins to take a log out whole.</summary>
    AuditExportOpened = 606,
    AuditExportClosed = 607,

    /// <summary>A proof of a record was made.</summary>
    AuditRecordProven = 608,

    /// <summary>Another key signs checkpoints from the next one of the directory on; the detail has it.</summary>
    AuditKeyRotated = 609,

    /// <summary>A sink confirmed what was delivered to it; the count is that of the records since the last time.</summary>
    AuditSinkAdvanced = 630,

    /// <summary>A sink takes nothing; recorded once until it takes something again.</summary>
    AuditSinkFailed = 631,

    /// <summary>A sink that took nothing has confirmed something.</summary>
    AuditSinkRecovered = 632,
    AuditSinksListed = 633,

    /// <summary>The log was looked through up to here, and nothing was found.</summary>
    DetectionAdvanced = 640,

    /// <summary>Rules of detection were met; the detail has the findings and their records.</summary>
    FindingsMade = 641,

    FindingsListed = 650,
    FindingRead = 651,
    FindingAssigned = 652,

    /// <summary>Somebody said what a finding turned out to be.</summary>
    FindingClosed = 653,

    /// <summary>A month's findings were signed off.</summary>
    ReviewSignedOff = 654,
    SignOffsListed = 655,

    /// <summary>A stretch of the log was taken into the index of the search.</summary>
    AuditIndexExtended = 670,
    AuditSearched = 671,

    /// <summary>A month of the log stands in a file for keeping.</summary>
    AuditArchiveRegistered = 680,
    AuditArchivesListed = 681,

    /// <summary>Somebody had records deleted whose years of retention are over.</summary>
    AuditRecordsDeleted = 682,

    /// <summary>Deleted records were taken out of the store, a part or a month of them.</summary>
    AuditRecordsRemoved = 683,

    EvidenceExportOpened = 690,

    /// <summary>Evidence was taken out; the detail has the digest of its signed manifest.</summary>
    EvidenceExported = 691,

    AlarmRaised = 700,

    /// <summary>The condition of an alarm is over.</summary>
    AlarmCleared = 701,
    AlarmAcknowledged = 702,
    AlarmsListed = 703,

    /// <summary>The webhook took nothing in all attempts; recorded once until it takes something again.</summary>
    AlarmDeliveryFailed = 704,

    /// <summary>An alarm that nobody acknowledged was told again.</summary>
    AlarmRepeated = 705,
    AlarmWatchOpened = 706,
    AlarmWatchClosed = 707,
    CertificatesListed = 708,

    HoldingRegistered = 900,
    HoldingRead = 901,
    HoldingsListed = 902,
    HoldingRetired = 903,

    /// <summary>The owner of a holding told what it holds, or that it begins to look.</summary>
    HoldingReported = 904,

    CampaignStarted = 910,
    CampaignRead = 911,
    CampaignsListed = 912,

    /// <summary>A campaign ended with its proof; the detail has its digest.</summary>
    CampaignProven = 913,

    /// <summary>A campaign was given up.</summary>
    CampaignAbandoned = 914,

    DestructionScheduled = 920,
    DestructionCancelled = 921,
    DestructionRead = 922,
    DestructionsListed = 923,

    /// <summary>The waiting period is over and nothing needs what is to be destroyed: it waits for approval.</summary>
    DestructionAwaitsApproval = 924,

    /// <summary>The waiting period is over and something needs what was to be destroyed: it ended without destroying anything.</summary>
    DestructionBlocked = 925,

    /// <summary>Something was done with a version whose destruction waits.</summary>
    DestroyingVersionUsed = 926,

    ApprovalsListed = 260,
    ApprovalRead = 261,

    /// <summary>An officer's signed approval or rejection came.</summary>
    ApprovalDecided = 262,

    /// <summary>A roster of officers that its officers had signed was installed.</summary>
    RosterInstalled = 263,
    RostersRead = 264,

    /// <summary>A quorum approved, and the wrapped keys of versions were overwritten.</summary>
    KeyVersionsDestroyed = 265,

    /// <summary>A review of who may do what begins.</summary>
    AccessReviewStarted = 270,
    AccessReviewsListed = 271,
    AccessReviewRead = 272,

    /// <summary>A manager said of a principal that it keeps what it holds, or had it disabled.</summary>
    AccessAttested = 273,

    /// <summary>An item of a review was given to another manager.</summary>
    AccessReviewReassigned = 274,

    /// <summary>Principals that nobody attested were disabled at the deadline of a review, a block of them.</summary>
    AccessSuspendedAtDeadline = 275,

    /// <summary>A review is closed, its result signed; the detail has the result's digest.</summary>
    AccessReviewClosed = 276,
    AccessReviewResultRead = 277,

    /// <summary>A manager looked at what is his to attest.</summary>
    OwnAccessReviewRead = 278,

    /// <summary>That a review ends soon, and whom it will disable, was told.</summary>
    AccessReviewAnnounced = 279,

    /// <summary>A bundle was asked for.</summary>
    BackupExportRequested = 800,
    BackupBundlesListed = 801,

    /// <summary>Somebody had every copy read again.</summary>
    BackupCopiesChecked = 802,

    /// <summary>A bundle stands, verified, at its first destination.</summary>
    BackupBundleRecorded = 803,

    /// <summary>The transcript of a key ceremony was brought here.</summary>
    CeremonyRecorded = 806,
    CeremoniesListed = 807,
    CeremonyRead = 808,

    /// <summary>A bundle of keys that somebody named was given out.</summary>
    BackupSelectionExported = 809,

    /// <summary>A copy of a bundle was read again, or stands at a further destination, or was found missing or damaged (outcome failed).</summary>
    BackupCopyRecorded = 804,

    /// <summary>Versions that a bundle was the first to hold, a block of them.</summary>
    BackupVersionsRecorded = 805,

    /// <summary>A restore from bundles begins in an empty store: the first record of its log, which says from what.</summary>
    RestoreBegun = 820,

    /// <summary>Keys of a bundle stand in the store again, a batch of them.</summary>
    KeysRestored = 821,

    /// <summary>Everything was read back and opened; the installation exists again, with a new first administrator.</summary>
    InstallationRestored = 822,

    /// <summary>A person asks for emergency access; a second one is to confirm.</summary>
    BreakGlassAsked = 1000,

    /// <summary>A second person confirmed it: it is open.</summary>
    BreakGlassConfirmed = 1001,

    /// <summary>The two envelopes opened it, or were tried in vain.</summary>
    BreakGlassSealOpened = 1002,

    /// <summary>By its person, before its time.</summary>
    BreakGlassClosed = 1003,

    /// <summary>By its time.</summary>
    BreakGlassEnded = 1004,
    BreakGlassReviewed = 1005,
    BreakGlassListed = 1006,
    BreakGlassEnvelopesMade = 1007,
}
