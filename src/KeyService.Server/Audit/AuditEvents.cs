using System.Collections.Frozen;
using KeyService.Server.Access;

namespace KeyService.Server.Audit;

/// <summary>Type and name of each event.</summary>
internal static class AuditEvents
{
    private static readonly FrozenDictionary<AuditEvent, (AuditType Type, string Name)> Facts =
        Enum.GetValues<AuditEvent>().ToFrozenDictionary(each => each, each => (Classify(each), KebabName.Of(each.ToString())));

    public static AuditType TypeOf(AuditEvent auditEvent) => Facts[auditEvent].Type;

    /// <summary>For example "data-key-generated"; "event-N" for a number of a newer version.</summary>
    public static string NameOf(AuditEvent auditEvent) => Facts.TryGetValue(auditEvent, out var facts) ? facts.Name : $"event-{(ushort)auditEvent}";

    // A switch without a default arm for known events: an event that is added without its type fails at start-up and in the tests.
    private static AuditType Classify(AuditEvent auditEvent) => auditEvent switch
    {
        AuditEvent.ServiceStarted or AuditEvent.ServiceStopped or AuditEvent.InstallationCreated => AuditType.Administer,
        AuditEvent.StatusRead or AuditEvent.HsmGuaranteesRead or AuditEvent.UnknownMethodCalled => AuditType.Read,
        AuditEvent.StreamEndMissing => AuditType.Administer,
        AuditEvent.PrincipalCreated or AuditEvent.PrincipalDisabled => AuditType.Administer,
        AuditEvent.GrantCreated or AuditEvent.GrantRevoked => AuditType.Administer,
        AuditEvent.PrincipalsListed or AuditEvent.GrantsListed or AuditEvent.OwnAccessRead => AuditType.Read,
        AuditEvent.AuthenticationRefused => AuditType.Read,
        AuditEvent.KeyCreated or AuditEvent.KeyRotated or AuditEvent.KeyWrapsReserved => AuditType.Administer,
        AuditEvent.KeyRead or AuditEvent.KeysListed or AuditEvent.KeyVersionsListed => AuditType.Read,
        AuditEvent.DataKeyGenerated or AuditEvent.DataKeysGenerated => AuditType.Modify,
        AuditEvent.DataKeyUnwrapped => AuditType.Read,
        AuditEvent.DataKeyRewrapped or AuditEvent.DataKeysRewrapped => AuditType.Modify,
        AuditEvent.FieldEncrypted or AuditEvent.FieldsEncrypted or AuditEvent.FieldsReencrypted => AuditType.Modify,
        AuditEvent.FieldDecrypted or AuditEvent.FieldsDecrypted => AuditType.Read,
        AuditEvent.EncryptStreamOpened or AuditEvent.EncryptStreamClosed => AuditType.Modify,
        AuditEvent.DecryptStreamOpened or AuditEvent.DecryptStreamClosed => AuditType.Read,
        AuditEvent.AuditTailOpened or AuditEvent.AuditTailClosed => AuditType.Read,
        _ => throw new InvalidOperationException($"Audit event {auditEvent} has no type."),
    };
}
