using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Hsm.Restore;
using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.Server.Restore;

/// <summary>What was read back.</summary>
/// <param name="RevisionSum">Of the keys' rows, for their register.</param>
internal sealed record ProvenKeys(long Keys, long RevisionSum, long Versions, long Destroyed);

/// <summary>
/// Reads a restored store back as a server would: every row by its MAC, every KEK loaded from the blob that stands there, its check value and bulk key
/// opened. Nothing of an interrupted run is taken on trust.
/// </summary>
internal sealed class RestoreProof(IStore store, RowAuthenticator rows, HsmToken token, RestoredKeys stored)
{
    private const int PageSize = 64;
    private const int AtOnce = 2;

    private readonly KeyTables _keys = new(rows);
    private readonly KeyMaterialTables _material = new(rows);

    /// <exception cref="StoreTamperedException">A row is missing, was changed, or does not go with the others.</exception>
    /// <exception cref="HsmException">A KEK does not open.</exception>
    public async Task<ProvenKeys> RunAsync(Restoration restoration, string backupKeyId, IProgress<RestoreProgress> progress, CancellationToken cancellationToken)
    {
        var proven = new ProvenKeys(0, 0, 0, 0);
        for (var after = ""; ;)
        {
            var place = after;
            var names = await store.ReadAsync(connection => KeyTables.ListNamesAsync(connection, "", place, PageSize), cancellationToken);
            if (names.Count == 0)
            {
                break;
            }

            after = names[^1];
            var page = await ReadAsync(names[0], after, backupKeyId, cancellationToken);
            foreach (var key in page.Keys)
            {
                proven = await ProveAsync(key, page, proven, cancellationToken);
            }

            progress.Report(new RestoreProgress(proven.Versions, restoration.VersionCount));
        }

        return (proven.Keys, proven.Versions) == (restoration.KeyCount, restoration.VersionCount) ? proven : throw new StoreTamperedException(
            "key_versions", "*",
            $"{restoration.KeyCount} keys with {restoration.VersionCount} versions were restored, {proven.Keys} with {proven.Versions} are there");
    }

    private Task<Page> ReadAsync(string first, string last, string backupKeyId, CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            void Tampered(StoreTamperedException exception) => throw exception;
            return new Page(
                await _keys.ListKeysAsync(connection, first, last, Tampered, cancellationToken),
                (await _keys.ListVersionsOfKeysAsync(connection, first, last, Tampered, cancellationToken)).ToLookup(version => version.KeyName),
                await _material.ListOfKeysAsync(connection, first, last, token.TokenId, Tampered, cancellationToken),
                await _material.ListBlobsOfKeysAsync(connection, first, last, KeyBlobRow.BackupOf(backupKeyId), Tampered, cancellationToken));
        },
        cancellationToken);

    private async Task<ProvenKeys> ProveAsync(KeyRow key, Page page, ProvenKeys proven, CancellationToken cancellationToken)
    {
        var versions = page.Versions[key.Name].ToList();
        if (versions.Count != key.VersionCount || versions.Sum(version => version.Revision) != key.VersionChangeCount)
        {
            throw new StoreTamperedException("key_versions", $"{key.Name}/*", $"{key.VersionCount} versions are accounted for, {versions.Count} are there");
        }

        await Parallel.ForEachAsync(
            versions.Where(version => version.State != KeyState.Destroyed),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (version, cancellation) => await OpenAsync(version, page, cancellation));
        var revision = key.Revision;
        if (!versions.Exists(version => version.Id == key.PrimaryVersion))
        {
            await stored.NamePrimaryAsync(key.Name, versions.MaxBy(version => (version.CreateTime, version.Id.Value))!.Id);
            revision++;
        }

        return new ProvenKeys(
            proven.Keys + 1, proven.RevisionSum + revision, proven.Versions + versions.Count,
            proven.Destroyed + versions.LongCount(version => version.State == KeyState.Destroyed));
    }

    private async Task OpenAsync(KeyVersionRow version, Page page, CancellationToken cancellationToken)
    {
        var id = version.Id;
        if (!page.Material.Blobs.TryGetValue(id, out var blob) || !page.Material.BulkKeys.TryGetValue(id, out var bulkKey)
            || !page.Material.WrapsReserved.ContainsKey(id) || !page.Backup.ContainsKey(id))
        {
            throw new StoreTamperedException("key_blobs", $"{id}/*", "a wrapped key of the version is missing");
        }

        await token.LoadKekAsync(id, blob, version.CheckValue, cancellationToken);
        try
        {
            using var plaintext = new PlaintextKeys(1);
            var aad = AssociatedData.ToArray(AadPurpose.BulkKey, WrappedDataKey.Format, id, default, EncryptionContext.Empty);
            if (!await token.UnwrapDataKeyAsync(id, bulkKey, aad, plaintext.Memory, cancellationToken))
            {
                throw new StoreTamperedException("bulk_keys", id.ToString(), "it does not open under the version's KEK");
            }
        }
        finally
        {
            await token.UnloadAsync(id, CancellationToken.None);
        }
    }

    private sealed record Page(
        IReadOnlyList<KeyRow> Keys, ILookup<string, KeyVersionRow> Versions, VersionMaterials Material, Dictionary<KeyVersionId, byte[]> Backup);
}
