using KeyService.Crypto;

namespace KeyService.Server.Keys;

/// <summary>A row of <c>keys</c> whose MAC was verified when it was read.</summary>
/// <param name="VersionCount">Rows of <c>key_versions</c> of this key.</param>
/// <param name="VersionChangeCount">Sum of their revisions: a deleted version or an older copy of one shows.</param>
/// <param name="Revision">1 when created, one more with each change.</param>
internal sealed record KeyRow(
    string Name,
    KeyPurpose Purpose,
    RotationPolicy Rotation,
    DateTimeOffset CreateTime,
    KeyVersionId PrimaryVersion,
    long VersionCount,
    long VersionChangeCount,
    long Revision);

/// <summary>A row of <c>key_versions</c> whose MAC was verified when it was read.</summary>
/// <param name="CheckValue">Wrap of SHA-256(id) under the KEK: a KEK that does not open it is not this version's.</param>
internal sealed record KeyVersionRow(
    KeyVersionId Id,
    string KeyName,
    KeyState State,
    DateTimeOffset CreateTime,
    DateTimeOffset? ActivateTime,
    DateTimeOffset? DeactivateTime,
    byte[] CheckValue,
    long Revision);

/// <summary>A row of <c>key_blobs</c>: a KEK wrapped for one token, or for the backup key.</summary>
/// <param name="Blob">Algorithm byte and wrapped key (docs/spec/key-blob.md).</param>
internal sealed record KeyBlobRow(KeyVersionId VersionId, string TokenId, byte[] Blob, long Revision)
{
    /// <summary>Value of <see cref="TokenId"/> of what a backup key wrapped.</summary>
    public static string BackupOf(string backupKeyId) => $"backup:{backupKeyId}";
}

/// <summary>A row of <c>bulk_keys</c>: the version's own data key for encryption inside the service, wrapped by the version's
/// KEK.</summary>
internal sealed record BulkKeyRow(KeyVersionId VersionId, byte[] Wrapped, long Revision);

/// <summary>A row of <c>wrap_counts</c>: wraps under a version that servers have reserved, an upper bound of those made.</summary>
internal sealed record WrapCountRow(KeyVersionId VersionId, long Reserved, long Revision);
