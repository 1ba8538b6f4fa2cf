using KeyService.Crypto;

namespace KeyService.Server.Keys;

/// <summary>A row of <c>keys</c> whose MAC was verified when it was read.</summary>
/// <param name="PrimaryVersion">The version that protects; before the first activation, the one that will.</param>
/// <param name="VersionCount">Rows of <c>key_versions</c> of this key.</param>
/// <param name="VersionChangeCount">Sum of their revisions: a deleted version or an older copy of one shows.</param>
/// <param name="WaitingVersions">Versions before their activation.</param>
/// <param name="RotateTime">When the primary is to be replaced; null while there is nothing to replace (suspended).</param>
/// <param name="Revision">1 when created, one more with each change.</param>
internal sealed record KeyRow(
    string Name,
    KeyPurpose Purpose,
    RotationPolicy Rotation,
    DateTimeOffset CreateTime,
    KeyVersionId PrimaryVersion,
    long VersionCount,
    long VersionChangeCount,
    long WaitingVersions,
    DateTimeOffset? RotateTime,
    long Revision)
{
    /// <summary>When to look whether the rotation can be done.</summary>
    public DateTimeOffset? WarnTime => RotateTime - Rotation.WarnBefore;
}

/// <summary>A row of <c>key_versions</c> whose MAC was verified when it was read.</summary>
/// <param name="CheckValue">Wrap of SHA-256(id) under the KEK: a KEK that does not open it is not this version's.</param>
/// <param name="LastChange">The last change of state; null in a row of before the lifecycle was recorded.</param>
internal sealed record KeyVersionRow(
    KeyVersionId Id,
    string KeyName,
    KeyState State,
    DateTimeOffset CreateTime,
    DateTimeOffset? ActivateTime,
    DateTimeOffset? DeactivateTime,
    byte[] CheckValue,
    StateChange? LastChange,
    long Revision)
{
    private const int CheckValueEndBytes = 4;

    /// <summary>Suspended so that it does not decrypt either.</summary>
    public bool ProcessingStopped { get; init; }

    /// <summary>Of a compromised version: since when it may have been known to others.</summary>
    public DateTimeOffset? SuspectedSince { get; init; }

    /// <summary>Of a compromised version: when that was declared.</summary>
    public DateTimeOffset? CompromiseProcessedTime { get; init; }

    /// <summary>Rows of <c>key_transitions</c> of this version.</summary>
    public long TransitionCount { get; init; }

    /// <summary>The end of the check value, by which people compare; empty for a destroyed version that was restored: bundles have none of it.</summary>
    public string CheckValueEnd => CheckValue.Length < CheckValueEndBytes ? "" : Convert.ToHexStringLower(CheckValue.AsSpan()[^CheckValueEndBytes..]);

    /// <summary>Decrypt and unwrap what was protected before.</summary>
    public bool MayProcess => KeyStates.Of(State).Processing switch
    {
        Processing.Allowed or Processing.WithWarning => true,
        Processing.AsSuspended => !ProcessingStopped,
        _ => false,
    };
}

/// <summary>When, by whom and why a version's state was changed.</summary>
/// <param name="By">A principal's name, or <see cref="Service"/>.</param>
/// <param name="Reason">One line.</param>
internal sealed record StateChange(DateTimeOffset Time, string By, string Reason)
{
    /// <summary>The service by itself. Not a principal's name: those have no capital letter.</summary>
    public const string Service = "KeyService";
}

/// <summary>A row of <c>key_transitions</c>.</summary>
/// <param name="Number">From 1, without a gap.</param>
/// <param name="From">Null in the first.</param>
internal sealed record KeyTransition(long Number, KeyState? From, KeyState To, StateChange Change);

/// <summary>A row of <c>key_uses</c>: what a principal did with a version, as far as it was added up.</summary>
internal sealed record KeyUseRow(
    KeyVersionId VersionId, string Principal, long ProtectedItems, long ProtectedBytes, long ProcessedItems, long ProcessedBytes,
    DateTimeOffset FirstTime, DateTimeOffset LastTime, long Revision);

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
