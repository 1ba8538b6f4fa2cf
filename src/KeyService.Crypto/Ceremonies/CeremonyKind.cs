namespace KeyService.Crypto.Ceremonies;

/// <summary>What a ceremony is for. Its word stands in transcripts and file names and is frozen.</summary>
public static class CeremonyKind
{
    /// <summary>Makes the root of trust: a backup key in shares, a root key in the token.</summary>
    public const string Genesis = "genesis";

    /// <summary>Officers make their keys and accept the roster.</summary>
    public const string OfficerEnrolment = "officer-enrolment";

    /// <summary>A new backup key, or the present one in new shares.</summary>
    public const string BackupKey = "backup-key";

    /// <summary>A bundle in two copies, to be taken to their places.</summary>
    public const string BackupExport = "backup-export";

    /// <summary>Each custodian's share compared with what was recorded of it.</summary>
    public const string ShareCheck = "share-check";

    /// <summary>Every key of a bundle brought back onto a token.</summary>
    public const string Restore = "restore";

    /// <summary>The same on a token that is wiped afterwards.</summary>
    public const string RestoreDrill = "restore-drill";

    /// <summary>Another token joins the installation's.</summary>
    public const string TokenEnrolment = "token-enrolment";

    /// <summary>Every key under a new root.</summary>
    public const string RootChange = "root-change";

    /// <summary>Keys and the copies of their bundles are destroyed.</summary>
    public const string KeyDestruction = "key-destruction";

    /// <summary>What was done with emergency access is judged.</summary>
    public const string BreakGlassReview = "break-glass-review";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        Genesis, OfficerEnrolment, BackupKey, BackupExport, ShareCheck, Restore, RestoreDrill, TokenEnrolment, RootChange, KeyDestruction, BreakGlassReview,
    ];
}
