using KeyService.Crypto.Backups;

namespace KeyService.Server.Backups;

/// <summary>A row of <c>bundles</c> whose MAC was verified when it was read. It never changes.</summary>
/// <param name="FileName">Name of the file at every destination.</param>
/// <param name="Digest">SHA-256 of everything before its signature.</param>
/// <param name="PreviousDigest">Of the bundle before; empty for the first.</param>
/// <param name="SigningKeyDigest">SHA-256 of the key that signed it.</param>
/// <param name="LeftOutCount">Versions that belong in it and are not.</param>
internal sealed record BundleRow(
    long Sequence,
    byte[] BundleId,
    BundleKind Kind,
    string FileName,
    byte[] Digest,
    byte[] PreviousDigest,
    byte[] SigningKeyDigest,
    string BackupKeyId,
    DateTimeOffset MadeTime,
    long KeyCount,
    long VersionCount,
    long LeftOutCount,
    long ByteCount)
{
    /// <summary>Holds every version of its time, so that it stands in for every bundle before it.</summary>
    public bool IsComplete => Kind == BundleKind.Full && LeftOutCount == 0;
}

/// <summary>What was found of a copy when it was last read. Frozen numbers, the same as in <c>backups.proto</c>.</summary>
internal enum CopyState : byte
{
    Verified = 1,
    Missing = 2,
    Damaged = 3,
}

/// <summary>A row of <c>bundle_copies</c> whose MAC was verified when it was read.</summary>
/// <param name="VerifiedTime">When it last verified.</param>
/// <param name="CheckedTime">When it was last looked at.</param>
internal sealed record CopyRow(long Bundle, string Destination, CopyState State, DateTimeOffset VerifiedTime, DateTimeOffset CheckedTime, long Revision);
