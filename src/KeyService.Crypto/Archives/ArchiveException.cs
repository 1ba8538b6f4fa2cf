namespace KeyService.Crypto.Archives;

/// <summary>Why an archive was refused. Frozen: numbers and names only ever grow (exit codes and logs carry them).</summary>
public enum ArchiveFault
{
    /// <summary>The input has 0 bytes.</summary>
    Empty = 1,

    /// <summary>The input does not begin with the magic of an archive.</summary>
    NotAnArchive = 2,

    /// <summary>An archive of another format version.</summary>
    UnsupportedVersion = 3,

    /// <summary>The input ends too early; its length alone says so, no key is needed to see it.</summary>
    Truncated = 4,

    /// <summary>The header breaks a rule of the format, or neither of its slot areas is whole.</summary>
    Damaged = 5,

    /// <summary>
    /// The payload does not verify: another key, another context, changed, reordered, extended or shortened bytes.
    /// One face on purpose, so that nobody learns which.
    /// </summary>
    VerificationFailed = 6,

    /// <summary>The content would exceed 2^38 chunks (4 PiB).</summary>
    TooLong = 7,

    /// <summary>The header on disk is not the one that the caller read: somebody re-wrapped in between.</summary>
    HeaderChanged = 8,

    /// <summary>The archive's context, which everybody can read in its header, is not the one that its reader demanded.</summary>
    OtherContext = 9,
}

/// <summary>The one exception for an archive that cannot be read, written or re-wrapped. Its text carries no secret and no content.</summary>
public sealed class ArchiveException : Exception
{
    public ArchiveException(ArchiveFault fault, string message)
        : base(message) => Fault = fault;

    /// <summary>What is wrong, for machines.</summary>
    public ArchiveFault Fault { get; }

    internal static ArchiveException Truncated(string where) =>
        new(ArchiveFault.Truncated, $"The archive is truncated: it ends inside {where}.");

    internal static ArchiveException Damaged(string rule) =>
        new(ArchiveFault.Damaged, $"The archive's header is damaged: {rule}.");

    internal static ArchiveException VerificationFailed() => new(
        ArchiveFault.VerificationFailed,
        "The archive does not verify: it was damaged or changed, or it was made with another key or context.");
}
