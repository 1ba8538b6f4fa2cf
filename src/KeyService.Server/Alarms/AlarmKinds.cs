using System.Collections.Frozen;
using KeyService.Server.Access;

namespace KeyService.Server.Alarms;

/// <summary>Name, usual severity and next step of each kind; docs/operations.md says more of each.</summary>
internal static class AlarmKinds
{
    private static readonly FrozenDictionary<AlarmKind, (string Name, AlarmSeverity Severity, string Advice)> Facts =
        Enum.GetValues<AlarmKind>().ToFrozenDictionary(
            each => each,
            each =>
            {
                var (severity, advice) = Of(each);
                return (KebabName.Of(each.ToString()), severity, advice);
            });

    /// <summary>For example "key-aging"; "alarm-N" for a number of a newer version.</summary>
    public static string NameOf(AlarmKind kind) => Facts.TryGetValue(kind, out var facts) ? facts.Name : $"alarm-{(int)kind}";

    public static AlarmSeverity SeverityOf(AlarmKind kind) => Facts.TryGetValue(kind, out var facts) ? facts.Severity : AlarmSeverity.Critical;

    /// <summary>What to do first, one sentence.</summary>
    public static string AdviceOf(AlarmKind kind) =>
        Facts.TryGetValue(kind, out var facts) ? facts.Advice : "Look it up in the manual of the newer version that raised it.";

    /// <summary>The subject is the name of a key.</summary>
    public static bool ConcernsKey(AlarmKind kind) => kind
        is AlarmKind.KeyAging or AlarmKind.BackupGateClosed or AlarmKind.WrapBudgetLow or AlarmKind.KeyCompromised or AlarmKind.DestroyingKeyInUse;

    // A switch without a default arm for known kinds: one that is added without its facts fails at start-up and in the tests.
    private static (AlarmSeverity Severity, string Advice) Of(AlarmKind kind) => kind switch
    {
        AlarmKind.KeyAging => (AlarmSeverity.Warning, "Rotate the key (keyservice key rotate NAME), and find out why it was not rotated by itself."),
        AlarmKind.BackupGateClosed => (AlarmSeverity.Warning, "Make the backup destinations writable; the version activates by itself once a verified bundle holds it."),
        AlarmKind.WrapBudgetLow => (AlarmSeverity.Warning, "Rotate the key (keyservice key rotate NAME); at the limit it encrypts nothing more."),
        AlarmKind.CertificateExpiring => (AlarmSeverity.Warning, "Put a renewed certificate, valid for at most 12 months, into the same file; no restart."),
        AlarmKind.ClockSetBack => (AlarmSeverity.Critical, "Set the clock of the server right; protection goes on by itself once it is."),
        AlarmKind.StoreTampered => (AlarmSeverity.Critical, "Keep the database as it is, find out who changed it, and restore it from a backup."),
        AlarmKind.StoreRestored => (AlarmSeverity.Critical, "Find out who put the database back; an officer accepts it when that was on purpose."),
        AlarmKind.KeyCompromised => (AlarmSeverity.Critical, "Re-encrypt what the version protects; keyservice key impact NAME lists it."),
        AlarmKind.BackupDestination => (AlarmSeverity.Warning, "Look at the destination: is it mounted, writable, not full, and does its newest bundle verify?"),
        AlarmKind.DestroyingKeyInUse => (AlarmSeverity.Critical, "Somebody still needs it: cancel the destruction, or move the caller to another key first."),
        AlarmKind.ClockJumped => (AlarmSeverity.Warning, "Compare the server's clock with a second source of time."),
        AlarmKind.CheckpointMissing => (AlarmSeverity.Critical, "Look at the HSM and the store in the status; without checkpoints what is recorded can be rewritten unnoticed."),
        AlarmKind.CheckpointDestination => (AlarmSeverity.Warning, "Look at the destination; when it holds another history, export the audit log and verify it against what is held there."),
        AlarmKind.PersonLocked => (AlarmSeverity.Critical, "Ask the person whether it was them; unlock if so (keyservice person unlock NAME), otherwise disable the principal."),
        AlarmKind.SessionReplayed => (AlarmSeverity.Critical, "Somebody has the person's session token: end the session (keyservice session end ID) and look at the machine it was kept on."),
        AlarmKind.RevocationListUnusable => (AlarmSeverity.Critical, "Have the authority issue a new list and put it where tls.crl says; no restart. Until then its clients are refused."),
        AlarmKind.CredentialAtNewPlace => (AlarmSeverity.Warning, "Ask its owner about the places (keyservice place list NAME); disable the principal when nobody knows one."),
        AlarmKind.AuditArchiveOverdue => (AlarmSeverity.Warning, "Run keyservice audit archive, and find out why the job that does it did not."),
        AlarmKind.BreakGlassOpen => (AlarmSeverity.Critical, "Ask the person and the one who confirmed what the emergency is; disable the principal when nobody knows of one."),
        AlarmKind.BreakGlassReviewDue => (AlarmSeverity.Critical, "Review it (keyservice break-glass review ID): read its records (keyservice audit search --principal NAME) and say whether it was justified."),
        AlarmKind.EnvelopesSpent => (AlarmSeverity.Critical, "Find out who opened them, then make new ones (keyservice break-glass seal) and hand them to two holders."),
        AlarmKind.Finding => (AlarmSeverity.Warning, "Look into it (keyservice review show ID) and say what it was (keyservice review close ID); the alarm ends with that."),
        AlarmKind.ReviewOverdue => (AlarmSeverity.Warning, "Look into the findings that wait (keyservice review list) and close them."),
        AlarmKind.SignOffOverdue => (AlarmSeverity.Warning, "Close the findings of the month, then sign it off (keyservice review sign-off MONTH)."),
        AlarmKind.AccessReviewDue => (AlarmSeverity.Critical, "Have the managers attest (keyservice access review show --pending says whom); what nobody attested is disabled at the deadline."),
        AlarmKind.AccessReviewOverdue => (AlarmSeverity.Warning, "Start a review of access (keyservice access review start); one that does not end by itself waits for the HSM or the store."),
        AlarmKind.ShareCheckOverdue => (AlarmSeverity.Warning, "Hold a share check (keyservice ceremony share-check), and bring its transcript here (keyservice ceremony record)."),
        AlarmKind.RestoreDrillOverdue => (AlarmSeverity.Warning, "Hold a restore drill (keyservice ceremony restore-drill), and bring its transcript here (keyservice ceremony record)."),
        AlarmKind.BackupExportOverdue => (AlarmSeverity.Warning, "Hold a backup export (keyservice ceremony backup-export), and bring its transcript here (keyservice ceremony record)."),
        AlarmKind.AdministratorNotAttested => (AlarmSeverity.Critical, "Find out why nobody attested this administrator; name another one and disable it, or have it attested in a new review."),
        AlarmKind.SinkBehind => (AlarmSeverity.Warning, "Look at the receiver (keyservice audit sinks says what it answers); nothing is lost, and delivery goes on by itself."),
        _ => throw new InvalidOperationException($"Alarm kind {kind} has no facts."),
    };
}
