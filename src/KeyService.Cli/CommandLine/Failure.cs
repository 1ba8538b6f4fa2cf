using KeyService.Cli.Processes;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Crypto.Archives;
using KeyService.Crypto.Backups;
using KeyService.Hsm;

namespace KeyService.Cli.CommandLine;

/// <summary>An error as people and programs see it.</summary>
internal sealed record Failure(int ExitCode, string Reason, string Message, string Advice, string? TraceId = null)
{
    /// <summary>What an exception means to the person at the terminal. The one place that knows the exit codes.</summary>
    public static Failure Of(Exception exception) => exception switch
    {
        CliError e => new(e.ExitCode, e.Reason, e.Message, e.Advice),
        KeyServiceException e => new(CodeOf(e.Reason), e.Reason, e.Message, e.Advice, e.TraceId),
        ArchiveException e => new(CodeOf(e.Fault), ReasonOf(e.Fault), e.Message, AdviceOf(e.Fault)),
        BundleException e => new(CommandLine.ExitCode.NotVerified, ReasonOf(e.Fault), e.Message, AdviceOf(e.Fault)),
        InvalidContextException e => new(CommandLine.ExitCode.Usage, "INVALID_CONTEXT", e.Message,
            "Give at most 16 pairs KEY=VALUE of valid UTF-8, no key twice, at most 4 KiB together."),
        HsmException e => new(e.Fault is HsmFault.IntegrityFailure ? CommandLine.ExitCode.NotVerified : CommandLine.ExitCode.Unavailable, "HSM", e.Message,
            "Check the device, its module and the PIN's file."),
        ProducerFailedException e => new(CommandLine.ExitCode.ProducerFailed, "PRODUCER_FAILED", e.Message,
            "No archive was sealed. Make the producer work on its own first; what it said is above."),
        RestoreTestFailedException e => new(CommandLine.ExitCode.RestoreTestFailed, "RESTORE_TEST_FAILED", e.Message,
            "The archive itself is not to blame unless that is said too; what the command said is above."),
        OperationCanceledException => new(CommandLine.ExitCode.Interrupted, "INTERRUPTED", "Interrupted.", "Nothing was left behind; start again."),
        IOException or UnauthorizedAccessException => new(CommandLine.ExitCode.Failed, "IO", exception.Message,
            "Check path, permissions and free space, and start again."),
        _ => new(CommandLine.ExitCode.Failed, "DEFECT", $"A defect in this command ({exception.GetType().Name}).",
            "Set KEYSERVICE_DEBUG=1, run it again and report what it says."),
    };

    private static int CodeOf(string reason) => reason switch
    {
        "ACCESS_DENIED" or "UNKNOWN_PRINCIPAL" or "SEPARATION_OF_DUTIES" or "OWN_FINDING" or "NOT_THE_REVIEWER" or "SESSION_REQUIRED" or "SECOND_FACTOR_REFUSED" or "SECOND_FACTOR_LOCKED" or "STEP_UP_REQUIRED" or "REVIEW_OUTSTANDING"
            => CommandLine.ExitCode.Refused,
        "DECRYPTION_FAILED" or ClientReason.WrappedKeyMissing => CommandLine.ExitCode.NotVerified,
        "INVALID_ARGUMENT" or "INVALID_CONTEXT" or "BATCH_TOO_LARGE" or ClientReason.Configuration => CommandLine.ExitCode.Usage,
        "ALREADY_EXISTS" or "NOT_FOUND" or "REQUEST_ID_REUSED" or "FINDING_CLOSED" or "REVIEW_INCOMPLETE" or "ACCESS_CHANGED" or "ACCESS_REVIEW_CLOSED" => CommandLine.ExitCode.Conflict,
        "HSM_UNAVAILABLE" or "STORE_UNAVAILABLE" or "AUDIT_UNAVAILABLE" or "BACKUP_UNAVAILABLE" or "SHUTTING_DOWN" or "OVERLOADED" or "QUOTA_EXHAUSTED" or "STREAM_IDLE"
            or ClientReason.Unreachable or ClientReason.TlsFailed or ClientReason.DeadlineExceeded => CommandLine.ExitCode.Unavailable,
        _ => CommandLine.ExitCode.Failed,
    };

    private static int CodeOf(ArchiveFault fault) =>
        fault is ArchiveFault.TooLong or ArchiveFault.HeaderChanged ? CommandLine.ExitCode.Failed : CommandLine.ExitCode.NotVerified;

    private static string ReasonOf(ArchiveFault fault) => fault switch
    {
        ArchiveFault.Empty => "ARCHIVE_EMPTY",
        ArchiveFault.NotAnArchive => "NOT_AN_ARCHIVE",
        ArchiveFault.UnsupportedVersion => "ARCHIVE_VERSION",
        ArchiveFault.Truncated => "ARCHIVE_TRUNCATED",
        ArchiveFault.Damaged => "ARCHIVE_DAMAGED",
        ArchiveFault.VerificationFailed or ArchiveFault.OtherContext => "ARCHIVE_NOT_VERIFIED",
        ArchiveFault.TooLong => "ARCHIVE_TOO_LONG",
        ArchiveFault.HeaderChanged => "ARCHIVE_CHANGED",
        _ => "ARCHIVE_DAMAGED",
    };

    private static string AdviceOf(ArchiveFault fault) => fault switch
    {
        ArchiveFault.Empty or ArchiveFault.NotAnArchive => "Name a .ksa file that keyservice encrypt made; keyservice inspect says what a file is.",
        ArchiveFault.UnsupportedVersion => "Use a newer keyservice.",
        ArchiveFault.TooLong => "Split the input.",
        ArchiveFault.HeaderChanged => "Start again.",
        // Not a matter of another copy: the archive may be whole, and says itself what it was made for.
        ArchiveFault.OtherContext => "keyservice inspect shows the archive's context; give just that, or leave --context away.",
        _ => "Fetch another copy of the archive; of this one nothing may be used.",
    };

    private static string ReasonOf(BundleFault fault) => fault switch
    {
        BundleFault.Empty => "BUNDLE_EMPTY",
        BundleFault.NotABundle => "NOT_A_BUNDLE",
        BundleFault.UnsupportedVersion => "BUNDLE_VERSION",
        BundleFault.Truncated => "BUNDLE_TRUNCATED",
        BundleFault.SignatureInvalid => "BUNDLE_NOT_VERIFIED",
        BundleFault.OtherSigningKey => "BUNDLE_OTHER_SIGNER",
        BundleFault.NotOfTheChain => "BUNDLE_NOT_NEXT",
        _ => "BUNDLE_DAMAGED",
    };

    private static string AdviceOf(BundleFault fault) => fault switch
    {
        BundleFault.Empty or BundleFault.NotABundle => "Name a .ksb file that the service wrote.",
        BundleFault.UnsupportedVersion => "Use a newer keyservice.",
        BundleFault.OtherSigningKey =>
            "It is another installation's, or somebody else made it: nothing of it may be used. Compare with keyservice backup signing-key.",
        BundleFault.NotOfTheChain => "Name the newest full bundle of the installation first, then the incremental ones after it in order (keyservice backup verify).",
        _ => "Fetch another copy of the bundle from another destination; of this one nothing may be used.",
    };
}
