using System.Collections.Frozen;
using KeyService.Server.Access;

namespace KeyService.Server.Audit;

/// <summary>Type and name of each event.</summary>
internal static class AuditEvents
{
    private static readonly FrozenDictionary<AuditEvent, (AuditEventType Type, string Name)> Facts =
        Enum.GetValues<AuditEvent>().ToFrozenDictionary(each => each, each => (Classify(each), KebabName.Of(each.ToString())));

    public static AuditEventType TypeOf(AuditEvent auditEvent) => Facts[auditEvent].Type;

    /// <summary>For example "data-key-generated"; "event-N" for a number of a newer version.</summary>
    public static string NameOf(AuditEvent auditEvent) => Facts.TryGetValue(auditEvent, out var facts) ? facts.Name : $"event-{(ushort)auditEvent}";

    // A switch without a default arm for known events: an event that is added without its type fails at start-up and in the tests.
    private static AuditEventType Classify(AuditEvent auditEvent) => auditEvent switch
    {
        AuditEvent.ServiceStarted or AuditEvent.ServiceStopped or AuditEvent.InstallationCreated => AuditEventType.Administer,
        AuditEvent.StatusRead or AuditEvent.HsmGuaranteesRead or AuditEvent.UnknownMethodCalled => AuditEventType.Read,
        AuditEvent.StreamEndMissing or AuditEvent.RegistersBegun => AuditEventType.Administer,
        AuditEvent.StoreAccountTaken or AuditEvent.StoreScrubbed or AuditEvent.StoreRestoreFound or AuditEvent.StoreAccepted => AuditEventType.Administer,
        AuditEvent.StoreTrustRead or AuditEvent.StoreScrubRequested => AuditEventType.Read,
        AuditEvent.ClockFound => AuditEventType.Administer,
        AuditEvent.PrincipalCreated or AuditEvent.PrincipalDisabled => AuditEventType.Administer,
        AuditEvent.GrantCreated or AuditEvent.GrantRevoked => AuditEventType.Administer,
        AuditEvent.PrincipalsListed or AuditEvent.GrantsListed or AuditEvent.OwnAccessRead => AuditEventType.Read,
        AuditEvent.AuthenticationRefused => AuditEventType.Read,
        AuditEvent.PrincipalMoved => AuditEventType.Administer,
        AuditEvent.LeaversReported => AuditEventType.Read,
        AuditEvent.AiItemEncrypted => AuditEventType.Modify,
        AuditEvent.AiItemDecrypted => AuditEventType.Read,
        AuditEvent.EffectiveAccessListed or AuditEvent.AccessExplained => AuditEventType.Read,
        AuditEvent.ForbiddenPairRefused or AuditEvent.QuotaReserved => AuditEventType.Administer,
        AuditEvent.SecondFactorOffered or AuditEvent.SecondFactorActivated or AuditEvent.SecondFactorReset or AuditEvent.PersonUnlocked
            or AuditEvent.SessionEndedByOfficer or AuditEvent.SessionOpened or AuditEvent.SessionConfirmed or AuditEvent.SessionClosed or AuditEvent.SessionUsed
            or AuditEvent.SessionEnded or AuditEvent.CredentialAtNewPlace or AuditEvent.PlacePolicySet or AuditEvent.PlaceNoted
            or AuditEvent.BreakGlassAsked or AuditEvent.BreakGlassConfirmed or AuditEvent.BreakGlassSealOpened or AuditEvent.BreakGlassClosed or AuditEvent.BreakGlassEnded
            or AuditEvent.BreakGlassReviewed or AuditEvent.BreakGlassEnvelopesMade => AuditEventType.Administer,
        AuditEvent.OwnSessionRead or AuditEvent.SessionsListed or AuditEvent.SecondFactorsListed or AuditEvent.PlacesListed or AuditEvent.BreakGlassListed => AuditEventType.Read,
        AuditEvent.KeyCreated or AuditEvent.KeyRotated or AuditEvent.KeyWrapsReserved or AuditEvent.KeyVersionsPrepared
            or AuditEvent.KeyPolicyChanged or AuditEvent.KeyVersionStateChanged or AuditEvent.KeyUseMetered => AuditEventType.Administer,
        AuditEvent.KeyRead or AuditEvent.KeysListed or AuditEvent.KeyVersionsListed or AuditEvent.KeyTransitionsListed
            or AuditEvent.KeyImpactRead or AuditEvent.KeyAgesListed or AuditEvent.RotationStatusRead => AuditEventType.Read,
        AuditEvent.DataKeyGenerated or AuditEvent.DataKeysGenerated => AuditEventType.Modify,
        AuditEvent.DataKeyUnwrapped => AuditEventType.Read,
        AuditEvent.DataKeyRewrapped or AuditEvent.DataKeysRewrapped => AuditEventType.Modify,
        AuditEvent.LeaseWatchOpened or AuditEvent.LeaseWatchClosed => AuditEventType.Read,
        AuditEvent.DataKeyUseReported or AuditEvent.DataKeyGraceUseReported => AuditEventType.Modify,
        AuditEvent.FieldEncrypted or AuditEvent.FieldsEncrypted or AuditEvent.FieldsReencrypted => AuditEventType.Modify,
        AuditEvent.FieldDecrypted or AuditEvent.FieldsDecrypted => AuditEventType.Read,
        AuditEvent.EncryptStreamOpened or AuditEvent.EncryptStreamClosed => AuditEventType.Modify,
        AuditEvent.DecryptStreamOpened or AuditEvent.DecryptStreamClosed => AuditEventType.Read,
        AuditEvent.AuditTailOpened or AuditEvent.AuditTailClosed => AuditEventType.Read,
        AuditEvent.AuditKeyRotated or AuditEvent.AuditLogMarked or AuditEvent.AuditCheckpointMade or AuditEvent.AuditDirectorySigned or AuditEvent.AuditIndexExtended => AuditEventType.Administer,
        AuditEvent.AuditSearched or AuditEvent.AuditLogKeysRead or AuditEvent.AuditExportOpened or AuditEvent.AuditExportClosed
            or AuditEvent.AuditRecordProven or AuditEvent.AuditSinksListed => AuditEventType.Read,
        AuditEvent.AuditArchiveRegistered => AuditEventType.Modify,
        AuditEvent.CeremonyRecorded => AuditEventType.Administer,
        AuditEvent.CeremoniesListed or AuditEvent.CeremonyRead => AuditEventType.Read,
        AuditEvent.AuditArchivesListed or AuditEvent.EvidenceExportOpened or AuditEvent.EvidenceExported => AuditEventType.Read,
        AuditEvent.AuditRecordsDeleted or AuditEvent.AuditRecordsRemoved => AuditEventType.Delete,
        AuditEvent.AuditSinkAdvanced or AuditEvent.AuditSinkFailed or AuditEvent.AuditSinkRecovered => AuditEventType.Administer,
        AuditEvent.DetectionAdvanced or AuditEvent.FindingsMade => AuditEventType.Administer,
        AuditEvent.FindingsListed or AuditEvent.FindingRead or AuditEvent.SignOffsListed => AuditEventType.Read,
        AuditEvent.FindingAssigned or AuditEvent.FindingClosed or AuditEvent.ReviewSignedOff => AuditEventType.Administer,
        AuditEvent.AlarmRaised or AuditEvent.AlarmCleared or AuditEvent.AlarmAcknowledged or AuditEvent.AlarmRepeated
            or AuditEvent.AlarmDeliveryFailed => AuditEventType.Administer,
        AuditEvent.AlarmsListed or AuditEvent.AlarmWatchOpened or AuditEvent.AlarmWatchClosed or AuditEvent.CertificatesListed => AuditEventType.Read,
        AuditEvent.HoldingRegistered or AuditEvent.HoldingRetired or AuditEvent.HoldingReported => AuditEventType.Administer,
        AuditEvent.HoldingRead or AuditEvent.HoldingsListed or AuditEvent.CampaignRead or AuditEvent.CampaignsListed => AuditEventType.Read,
        AuditEvent.CampaignStarted or AuditEvent.CampaignProven or AuditEvent.CampaignAbandoned => AuditEventType.Administer,
        AuditEvent.DestructionScheduled or AuditEvent.DestructionCancelled => AuditEventType.Delete,
        AuditEvent.DestructionAwaitsApproval or AuditEvent.DestructionBlocked => AuditEventType.Delete,
        AuditEvent.DestructionRead or AuditEvent.DestructionsListed => AuditEventType.Read,
        AuditEvent.DestroyingVersionUsed => AuditEventType.Administer,
        AuditEvent.ApprovalsListed or AuditEvent.ApprovalRead or AuditEvent.RostersRead => AuditEventType.Read,
        AuditEvent.ApprovalDecided or AuditEvent.RosterInstalled => AuditEventType.Administer,
        AuditEvent.KeyVersionsDestroyed => AuditEventType.Delete,
        AuditEvent.AccessReviewStarted or AuditEvent.AccessAttested or AuditEvent.AccessReviewReassigned or AuditEvent.AccessSuspendedAtDeadline
            or AuditEvent.AccessReviewClosed or AuditEvent.AccessReviewAnnounced => AuditEventType.Administer,
        AuditEvent.AccessReviewsListed or AuditEvent.AccessReviewRead or AuditEvent.AccessReviewResultRead or AuditEvent.OwnAccessReviewRead => AuditEventType.Read,
        AuditEvent.BackupExportRequested or AuditEvent.BackupSelectionExported or AuditEvent.BackupBundleRecorded or AuditEvent.BackupCopyRecorded or AuditEvent.BackupVersionsRecorded
            => AuditEventType.Administer,
        AuditEvent.RestoreBegun or AuditEvent.KeysRestored or AuditEvent.InstallationRestored => AuditEventType.Administer,
        AuditEvent.BackupBundlesListed or AuditEvent.BackupCopiesChecked => AuditEventType.Read,
        _ => throw new InvalidOperationException($"Audit event {auditEvent} has no type."),
    };
}
