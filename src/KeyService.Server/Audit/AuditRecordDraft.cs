using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>
/// A record while its call is under way: everything but slot, sequence and time, which the store gives when it commits. Filled by
/// the pipeline and the call, read once by the store's writer after the change has run, so a change may still set the key
/// version it made. Not thread safe; not to be touched while <c>CommitAsync</c> runs, but by the change itself.
/// </summary>
internal sealed class AuditRecordDraft(AuditEvent auditEvent)
{
    private List<RowChange>? _changes;

    public AuditEvent Event { get; set; } = auditEvent;

    public AuditOutcome Outcome { get; set; } = AuditOutcome.Success;

    /// <summary>Name of the principal; empty when nobody registered called, or the service itself acts.</summary>
    public string Principal { get; set; } = "";

    public PrincipalType? PrincipalType { get; set; }

    /// <summary>"mtls", "unix-uid", or "" for the service itself.</summary>
    public string Authentication { get; set; } = "";

    /// <summary>Whom the caller says it acts for; not verified.</summary>
    public string OnBehalfOf { get; set; } = "";

    /// <summary>Peer address, or the credential presented when it is nobody's.</summary>
    public string Source { get; set; } = "";

    public string Device { get; set; } = "";

    public string Key { get; set; } = "";

    public KeyVersionId? KeyVersion { get; set; }

    /// <summary>Of <see cref="ContextDigests"/> (32 bytes), or null when the call has none.</summary>
    public byte[]? ContextDigest { get; set; }

    public long ItemCount { get; set; }

    public long ByteCount { get; set; }

    /// <summary>Reason of a refusal or failure, without "REASON_"; empty on success.</summary>
    public string Reason { get; set; } = "";

    public string TraceId { get; set; } = "";

    public string RequestId { get; set; } = "";

    public TimeSpan Duration { get; set; }

    /// <summary>True when a machine acted by itself, false when a person called.</summary>
    public bool Automated { get; set; }

    /// <summary>Deciding rows that the record's change wrote, in order.</summary>
    public IReadOnlyList<RowChange> Changes => _changes ?? [];

    /// <summary>For the store's writer, while the change runs.</summary>
    public void AddChange(RowChange change) => (_changes ??= []).Add(change);

    /// <summary>For the store's writer: the change was undone, or is about to run again.</summary>
    public void ForgetChanges() => _changes = null;

    /// <summary>One line for the reader; never a secret, never patient data.</summary>
    public string Detail { get; set; } = "";
}
