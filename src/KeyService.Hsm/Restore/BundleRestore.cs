using KeyService.Crypto;
using KeyService.Crypto.Backups;

namespace KeyService.Hsm.Restore;

/// <summary>
/// Reads a chain of bundles through a token: each KEK is unwrapped under the backup key, wrapped under the token's root and proven, and handed on with what
/// the bundle says of it, a batch at a time. A drill hands it to nobody, a restore to a store. Holds two batches, whatever the length.
/// </summary>
public sealed class BundleRestore
{
    /// <summary>Versions, and keys, of a batch at most.</summary>
    public const int BatchSize = 64;

    private readonly HsmToken _token;
    private readonly SecretBuffer _backupKey;
    private readonly BundleChain _chain;

    /// <param name="token">With a root key; it needs no backup key of its own.</param>
    /// <param name="backupKey">32 bytes; the caller's, who keeps it until the end.</param>
    /// <param name="chain">What is restored.</param>
    /// <exception cref="HsmException"><see cref="HsmFault.HierarchyConflict"/>: it is not the backup key of these bundles.</exception>
    public BundleRestore(HsmToken token, SecretBuffer backupKey, BundleChain chain)
    {
        ArgumentNullException.ThrowIfNull(token);
        ArgumentNullException.ThrowIfNull(chain);
        HsmToken.DemandBackupKey(backupKey, chain.BackupKeyId);
        _token = token;
        _backupKey = backupKey;
        _chain = chain;
    }

    /// <summary>The integrity key under the token's root, its check value compared.</summary>
    /// <param name="keepLoaded">Whether the token is to use it from now on.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    public Task<NewIntegrityKey> RestoreIntegrityKeyAsync(bool keepLoaded, CancellationToken cancellationToken = default) => _token.RestoreIntegrityKeyAsync(
        _backupKey, _chain.BackupKeyId, _chain.IntegrityKey.Blob, _chain.IntegrityKey.CheckValue, keepLoaded, cancellationToken);

    /// <summary>Proves that everything in the bundles opens: integrity key, KEKs, bulk keys. Nothing of it stays in the token.</summary>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellationToken">Ends it between two batches.</param>
    /// <exception cref="HsmException">The first that does not open, by its name.</exception>
    public async Task<RestoreCounts> ProveAsync(IProgress<RestoreProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        await RestoreIntegrityKeyAsync(keepLoaded: false, cancellationToken).ConfigureAwait(false);
        return await RunAsync(static (_, _) => Task.CompletedTask, null, progress, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Restores everything, batch by batch, in the order of the bundles.</summary>
    /// <param name="sink">Takes one batch after another.</param>
    /// <param name="after">Goes on behind the batch that ended here; null begins at the beginning.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellationToken">Ends it between two batches.</param>
    /// <exception cref="HsmException">The first that does not open, by its name; what was handed on before was good.</exception>
    /// <exception cref="BundleException">A file changed since it was verified: nothing that was handed on may be used.</exception>
    public async Task<RestoreCounts> RunAsync(
        Func<RestoredBatch, CancellationToken, Task> sink, RestorePlace? after = null, IProgress<RestoreProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sink);
        var counts = new RestoreCounts(0, 0, 0);
        ulong done = 0;
        for (int bundle = 0; bundle < _chain.Bundles.Count; bundle++)
        {
            if (bundle >= (after?.Bundle ?? 0))
            {
                counts = await RunAsync(bundle, after?.Bundle == bundle ? after : null, counts, done, sink, progress, cancellationToken).ConfigureAwait(false);
            }
            done += _chain.Bundles[bundle].VersionCount;
        }
        return counts;
    }

    private async Task<RestoreCounts> RunAsync(
        int bundle, RestorePlace? after, RestoreCounts counts, ulong done, Func<RestoredBatch, CancellationToken, Task> sink,
        IProgress<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        var (stream, reader) = await _chain.OpenAsync(bundle, cancellationToken).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        using (reader)
        {
            var batch = new BatchInMaking(bundle);
            // The token works on a batch while the one before is taken: never more than these two.
            var taking = Task.CompletedTask;
            ulong read = 0;
            try
            {
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false) is var item && item != BundleItem.End)
                {
                    if (item == BundleItem.Key)
                    {
                        await FlushIfFullAsync().ConfigureAwait(false);
                        batch.Begin(reader.Key, isBehind: after is null || string.CompareOrdinal(reader.Key.Name, after.Key) > 0);
                        continue;
                    }
                    if (batch.IsBehind || (batch.Name == after!.Key && reader.Version.Id > after.Version))
                    {
                        await FlushIfFullAsync().ConfigureAwait(false);
                        batch.Add(reader.Version);
                    }
                    read++;
                }
                _chain.DemandSame(bundle, reader);
                await FlushAsync().ConfigureAwait(false);
            }
            finally
            {
                await taking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            await taking.ConfigureAwait(false);
            return counts;

            Task FlushIfFullAsync() => batch.IsFull ? FlushAsync() : Task.CompletedTask;

            async Task FlushAsync()
            {
                if (batch.Take() is not { } taken)
                {
                    return;
                }
                cancellationToken.ThrowIfCancellationRequested();
                var restored = await RestoreAsync(taken, cancellationToken).ConfigureAwait(false);
                await taking.ConfigureAwait(false);
                counts = counts.Plus(taken);
                taking = TakeAsync(restored, new RestoreProgress((long)(done + read), (long)_chain.VersionCount));
            }

            async Task TakeAsync(RestoredBatch restored, RestoreProgress reached)
            {
                await sink(restored, cancellationToken).ConfigureAwait(false);
                progress?.Report(reached);
            }
        }
    }

    private async Task<RestoredBatch> RestoreAsync(RestoredBatch batch, CancellationToken cancellationToken)
    {
        var wrapped = batch.Keys.SelectMany(key => key.Versions).Where(version => version.Material is not null).ToList();
        if (wrapped.Count == 0)
        {
            return batch;
        }
        var blobs = await _token.RestoreKeksAsync(
            _backupKey, _chain.BackupKeyId,
            [.. wrapped.Select(version => new BackedUpKek(version.Id, version.Material!.BackupBlob, version.Material.CheckValue, version.Material.BulkKey))],
            keepLoaded: false, cancellationToken).ConfigureAwait(false);
        var rootBlobs = blobs.ToDictionary(blob => blob.Id, blob => blob.RootBlob);
        return batch with
        {
            Keys =
            [
                .. batch.Keys.Select(key => key with
                {
                    Versions =
                    [
                        .. key.Versions.Select(version => version.Material is { } material
                            ? version with { Material = material with { RootBlob = rootBlobs[version.Id] } }
                            : version),
                    ],
                }),
            ],
        };
    }

    /// <summary>Gathers copies of what the reader gives, which is good until it reads on.</summary>
    private sealed class BatchInMaking(int bundle)
    {
        private readonly List<(string Name, IReadOnlyList<BundleAttribute> Attributes, bool IsContinued, List<RestoredVersion> Versions)> _keys = [];
        private IReadOnlyList<BundleAttribute> _attributes = [];
        private KeyVersionId _last;
        private int _versions;

        internal string Name { get; private set; } = "";

        /// <summary>The key stands behind the place from which it goes on; false too for the one that the place is in.</summary>
        internal bool IsBehind { get; private set; }

        internal bool IsFull => _versions >= BatchSize || _keys.Count >= BatchSize;

        internal void Begin(BundleKey key, bool isBehind)
        {
            (Name, _attributes, IsBehind, _last) = (key.Name, Copy(key.Attributes), isBehind, KeyVersionId.None);
            if (isBehind)
            {
                _keys.Add((Name, _attributes, false, []));
            }
        }

        internal void Add(BundleVersion version)
        {
            if (_keys.Count == 0 || _keys[^1].Name != Name)
            {
                _keys.Add((Name, _attributes, true, []));
            }
            _keys[^1].Versions.Add(new RestoredVersion(
                version.Id, Copy(version.Attributes),
                version.HasMaterial
                    ? new RestoredMaterial([], version.KekBlob.ToArray(), version.CheckValue.ToArray(), version.BulkKey.ToArray())
                    : null));
            _last = version.Id;
            _versions++;
        }

        internal RestoredBatch? Take()
        {
            if (_keys.Count == 0)
            {
                return null;
            }
            var last = _keys[^1];
            var batch = new RestoredBatch(
                [.. _keys.Select(key => new RestoredKey(key.Name, key.Attributes, key.IsContinued, key.Versions))],
                new RestorePlace(bundle, last.Name, last.Versions.Count == 0 ? KeyVersionId.None : _last));
            _keys.Clear();
            _versions = 0;
            return batch;
        }

        private static BundleAttribute[] Copy(BundleAttributes attributes)
        {
            var copy = new BundleAttribute[attributes.Count];
            for (int i = 0; i < copy.Length; i++)
            {
                copy[i] = attributes[i];
            }
            return copy;
        }
    }
}
