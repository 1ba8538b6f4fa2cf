using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.Server.Backups;

/// <summary>What was found while a bundle was written.</summary>
/// <param name="NewVersions">Versions in it that no bundle held before, ascending: 8 bytes of memory each.</param>
/// <param name="LeftOut">Versions that belong in it and are not, as far as their ids are known.</param>
/// <param name="LeftOutCount">How many belong in it and are not, rows that are gone included.</param>
/// <param name="Tampered">The first of the rows that did not verify, as a sentence; null when all did.</param>
internal sealed record WrittenContent(IReadOnlyList<KeyVersionId> NewVersions, IReadOnlyCollection<KeyVersionId> LeftOut, long LeftOutCount, StoreTamperedException? Tampered);

/// <summary>
/// Reads the keys for a bundle out of the store, verified row by row, and writes them in the format's order. It reads pages of keys, each in a snapshot of
/// its own: no reader stands in the way of the store's writer for long, and each key is whole as of one moment, though not all are as of the same.
/// </summary>
internal sealed class BundleContent(IStore store, RowAuthenticator rows)
{
    /// <summary>Keys read at a time.</summary>
    private const int PageSize = 64;

    private readonly KeyTables _keys = new(rows);
    private readonly KeyMaterialTables _material = new(rows);
    private readonly RegisterState _registers = new(rows);

    /// <param name="writer">At its entries.</param>
    /// <param name="scope">What belongs in it.</param>
    /// <param name="backupKeyId">Whose wraps go into it.</param>
    /// <param name="progress">Gets the number of versions written so far, again and again.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    public async Task<WrittenContent> WriteAsync(
        BundleWriter writer, BundleScope scope, string backupKeyId, IProgress<long> progress, CancellationToken cancellationToken)
    {
        var found = new Findings();
        var kind = scope.Kind;
        if (kind == BundleKind.Full)
        {
            await DemandKeysAsync(found, cancellationToken);
        }

        for (var after = ""; ;)
        {
            var place = after;
            var names = await store.ReadAsync(connection => scope.NamesAsync(connection, place, PageSize), cancellationToken);
            if (names.Count == 0)
            {
                break;
            }

            after = names[^1];
            // Names of waiting and of chosen keys do not stand side by side: one range each.
            foreach (var (first, last) in kind == BundleKind.Full ? [(names[0], after)] : names.Select(name => (name, name)))
            {
                foreach (var key in await ReadAsync(kind, first, last, backupKeyId, found, cancellationToken))
                {
                    await WriteAsync(writer, kind, key, found, cancellationToken);
                }

                progress.Report((long)writer.VersionCount);
            }
        }

        found.New.Sort();
        return new WrittenContent(found.New, found.LeftOut, found.LeftOut.Count + found.Missing, found.Tampered);
    }

    private async Task<List<KeyOfBundle>> ReadAsync(
        BundleKind kind, string first, string last, string backupKeyId, Findings found, CancellationToken cancellationToken)
    {
        Action<StoreTamperedException> tampered = exception => found.Tampered ??= exception;
        return await store.ReadAsync(
            async connection =>
            {
                var keys = await _keys.ListKeysAsync(connection, first, last, tampered, cancellationToken);
                var versions = (await _keys.ListVersionsOfKeysAsync(connection, first, last, tampered, cancellationToken)).ToLookup(version => version.KeyName);
                var materials = await _material.ListOfKeysAsync(connection, first, last, KeyBlobRow.BackupOf(backupKeyId), tampered, cancellationToken);
                var bundled = await BackupTables.ListBundledAsync(connection, first, last);
                List<KeyOfBundle> gathered = [.. keys.Select(key => Gather(key, versions[key.Name], materials, bundled))];
                // What belongs here as the database says, whether its rows verify or not.
                var all = (await KeyTables.ListIdsOfKeysAsync(connection, first, last)).ToLookup(pair => pair.KeyName, pair => pair.Id);
                found.Account(gathered, all, kind == BundleKind.Incremental ? bundled : []);
                return gathered;
            },
            cancellationToken);
    }

    // A key row that was deleted is in no page.
    private async Task DemandKeysAsync(Findings found, CancellationToken cancellationToken)
    {
        try
        {
            await store.ReadAsync(
                async connection =>
                {
                    var (count, revisionSum) = await KeyTables.SumKeysAsync(connection);
                    await _registers.VerifyAsync(connection, KeyRing.Register, count, revisionSum, cancellationToken);
                    return true;
                },
                cancellationToken);
        }
        catch (StoreTamperedException e)
        {
            found.Tampered = e;
            found.Missing++;
        }
    }

    private static KeyOfBundle Gather(KeyRow key, IEnumerable<KeyVersionRow> versions, VersionMaterials materials, HashSet<KeyVersionId> bundled) => new(
        key,
        [.. versions
            .Where(version => materials.WrapsReserved.ContainsKey(version.Id)
                && (version.State == KeyState.Destroyed || (materials.Blobs.ContainsKey(version.Id) && materials.BulkKeys.ContainsKey(version.Id))))
            .OrderBy(version => version.Id)
            .Select(version => new VersionOfBundle(
                version, materials.WrapsReserved[version.Id],
                version.State == KeyState.Destroyed
                    ? null
                    : new BundleMaterial(version.CheckValue, materials.Blobs[version.Id], materials.BulkKeys[version.Id]),
                IsNew: !bundled.Contains(version.Id)))]);

    private static async Task WriteAsync(BundleWriter writer, BundleKind kind, KeyOfBundle key, Findings found, CancellationToken cancellationToken)
    {
        await writer.WriteKeyAsync(key.Row.Name, AttributesOf(key.Row), cancellationToken);
        foreach (var version in key.Versions.Where(version => kind != BundleKind.Incremental || version.IsNew))
        {
            await writer.WriteVersionAsync(version.Row.Id, AttributesOf(version), version.Material, cancellationToken);
            if (version.IsNew)
            {
                found.New.Add(version.Row.Id);
            }
        }
    }

    private static BundleAttribute[] AttributesOf(KeyRow key)
    {
        List<BundleAttribute> attributes =
        [
            new(BundleAttributeId.CreatedAt, UnixTime.Nanoseconds(key.CreateTime)),
            new(BundleAttributeId.Purpose, (long)key.Purpose),
            new(BundleAttributeId.PrimaryVersion, KeyTables.Signed(key.PrimaryVersion)),
            new(BundleAttributeId.RotationPeriodSeconds, (long)key.Rotation.Period.TotalSeconds),
            new(BundleAttributeId.RotationLimitSeconds, (long)key.Rotation.Limit.TotalSeconds),
            new(BundleAttributeId.WarnBeforeSeconds, (long)key.Rotation.WarnBefore.TotalSeconds),
        ];
        Add(attributes, BundleAttributeId.RotateAt, key.RotateTime);
        return [.. attributes];
    }

    private static BundleAttribute[] AttributesOf(VersionOfBundle version)
    {
        List<BundleAttribute> attributes =
        [
            new(BundleAttributeId.CreatedAt, UnixTime.Nanoseconds(version.Row.CreateTime)),
            new(BundleAttributeId.State, (long)version.Row.State),
        ];
        Add(attributes, BundleAttributeId.ActivatedAt, version.Row.ActivateTime);
        Add(attributes, BundleAttributeId.DeactivatedAt, version.Row.DeactivateTime);
        Add(attributes, BundleAttributeId.StateChangedAt, version.Row.LastChange?.Time);
        Add(attributes, BundleAttributeId.SuspectedSince, version.Row.SuspectedSince);
        Add(attributes, BundleAttributeId.ProcessedAt, version.Row.CompromiseProcessedTime);
        attributes.Add(new(BundleAttributeId.WrapsReserved, version.WrapsReserved));
        if (version.Row.ProcessingStopped)
        {
            attributes.Add(new(BundleAttributeId.ProcessingStopped, 1));
        }

        return [.. attributes];
    }

    private static void Add(List<BundleAttribute> attributes, BundleAttributeId id, DateTimeOffset? time)
    {
        if (time is { } value)
        {
            attributes.Add(new(id, UnixTime.Nanoseconds(value)));
        }
    }

    private sealed record KeyOfBundle(KeyRow Row, List<VersionOfBundle> Versions);

    private sealed record VersionOfBundle(KeyVersionRow Row, long WrapsReserved, BundleMaterial? Material, bool IsNew);

    private sealed class Findings
    {
        public List<KeyVersionId> New { get; } = [];

        public HashSet<KeyVersionId> LeftOut { get; } = [];

        /// <summary>Versions whose rows are gone: no id of them is known.</summary>
        public long Missing { get; set; }

        public StoreTamperedException? Tampered { get; set; }

        public void Account(List<KeyOfBundle> gathered, ILookup<string, KeyVersionId> all, HashSet<KeyVersionId> elsewhere)
        {
            var whole = gathered.SelectMany(key => key.Versions).Select(version => version.Row.Id).ToHashSet();
            LeftOut.UnionWith(all.SelectMany(ids => ids).Where(id => !whole.Contains(id) && !elsewhere.Contains(id)));
            foreach (var key in gathered.Where(key => all[key.Row.Name].Count() < key.Row.VersionCount))
            {
                var there = all[key.Row.Name].Count();
                Tampered ??= new StoreTamperedException(
                    "key_versions", $"{key.Row.Name}/*", $"{key.Row.VersionCount} versions are accounted for, {there} are there");
                Missing += key.Row.VersionCount - there;
            }
        }
    }
}
