using KeyService.Crypto;
using KeyService.Crypto.Backups;

namespace KeyService.Hsm.Restore;

/// <summary>Keys and versions of a bundle that stand under the token's root now.</summary>
/// <param name="Keys">In the bundle's order.</param>
/// <param name="End">Where the next batch begins.</param>
public sealed record RestoredBatch(IReadOnlyList<RestoredKey> Keys, RestorePlace End);

/// <summary>A key, or the rest of one whose first versions the batch before had.</summary>
/// <param name="Name">1 to 128 characters.</param>
/// <param name="Attributes">In ascending order of their ids.</param>
/// <param name="IsContinued">The batch before had it too.</param>
/// <param name="Versions">In ascending order of their ids; none, when its writer had to leave all of them out.</param>
public sealed record RestoredKey(string Name, IReadOnlyList<BundleAttribute> Attributes, bool IsContinued, IReadOnlyList<RestoredVersion> Versions);

/// <summary>A version.</summary>
/// <param name="Id">Never zero.</param>
/// <param name="Attributes">In ascending order of their ids.</param>
/// <param name="Material">Null for one that was destroyed.</param>
public sealed record RestoredVersion(KeyVersionId Id, IReadOnlyList<BundleAttribute> Attributes, RestoredMaterial? Material);

/// <summary>The wrapped keys of a version; each has been opened.</summary>
/// <param name="RootBlob">41 bytes, under the token's root.</param>
/// <param name="BackupBlob">41 bytes, under the backup key.</param>
/// <param name="CheckValue">69 bytes.</param>
/// <param name="BulkKey">69 bytes, under the KEK.</param>
public sealed record RestoredMaterial(byte[] RootBlob, byte[] BackupBlob, byte[] CheckValue, byte[] BulkKey);

/// <summary>A place in a chain of bundles: behind this version of this key.</summary>
/// <param name="Bundle">0 is the full one.</param>
/// <param name="Key">The key's name.</param>
/// <param name="Version">None: the key has no version there.</param>
public sealed record RestorePlace(int Bundle, string Key, KeyVersionId Version);

/// <summary>How far it is.</summary>
/// <param name="Versions">Versions done, those that were done before included.</param>
/// <param name="Of">Versions in all bundles.</param>
public readonly record struct RestoreProgress(long Versions, long Of);

/// <summary>What was restored in one run.</summary>
/// <param name="Keys">Keys, each once for every bundle that names it.</param>
/// <param name="Versions">Versions that opened.</param>
/// <param name="Destroyed">Versions without a key, which stay destroyed.</param>
public readonly record struct RestoreCounts(long Keys, long Versions, long Destroyed)
{
    internal RestoreCounts Plus(RestoredBatch batch) => new(
        Keys + batch.Keys.Count(key => !key.IsContinued),
        Versions + batch.Keys.Sum(key => key.Versions.LongCount(version => version.Material is not null)),
        Destroyed + batch.Keys.Sum(key => key.Versions.LongCount(version => version.Material is null)));
}
