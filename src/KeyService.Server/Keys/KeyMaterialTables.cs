using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Keys;

/// <summary>
/// SQL of what belongs to a key version: wrapped KEKs, the wrapped bulk key, the count of wraps. Verified and MACed as in
/// <see cref="KeyTables"/>.
/// </summary>
internal sealed class KeyMaterialTables(RowAuthenticator rows)
{
    /// <summary>How the scrub reads the tables.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
    [
        DecidingTable.Of<RawBlob>(
            "key_blobs", "SELECT version_id AS VersionId, token_id AS TokenId, blob AS Blob, revision AS Revision, mac AS Mac FROM key_blobs",
            "version_id, token_id", "@VersionId, @TokenId",
            raw => new DecidingRow($"{KeyTables.Unsigned(raw.VersionId)}/{raw.TokenId}", raw.Revision, raw.Canonical())),
        DecidingTable.Of<RawBulkKey>(
            "bulk_keys", "SELECT version_id AS VersionId, wrapped AS Wrapped, revision AS Revision, mac AS Mac FROM bulk_keys", "version_id", "@VersionId",
            raw => new DecidingRow(KeyTables.Unsigned(raw.VersionId).ToString(), raw.Revision, raw.Canonical())),
        DecidingTable.Of<RawWrapCount>(
            "wrap_counts", "SELECT version_id AS VersionId, reserved AS Reserved, revision AS Revision, mac AS Mac FROM wrap_counts", "version_id", "@VersionId",
            raw => new DecidingRow(KeyTables.Unsigned(raw.VersionId).ToString(), raw.Revision, raw.Canonical())),
    ];

    /// <summary>The KEK wrapped for a token; null when this token has none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<KeyBlobRow?> FindBlobAsync(
        DbConnection connection, KeyVersionId versionId, string tokenId, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<RawBlob>(
            """
            SELECT version_id AS VersionId, token_id AS TokenId, blob AS Blob, revision AS Revision, mac AS Mac
            FROM key_blobs WHERE version_id = @id AND token_id = @tokenId
            """,
            new { id = KeyTables.Signed(versionId), tokenId });
        if (raw is null)
        {
            return null;
        }

        await rows.VerifyAsync(raw.Canonical(), raw.Mac, "key_blobs", $"{versionId}/{tokenId}", raw.Revision, cancellationToken);
        return new KeyBlobRow(versionId, raw.TokenId, raw.Blob, raw.Revision);
    }

    public async Task InsertBlobAsync(IStoreTransaction transaction, KeyBlobRow blob)
    {
        var raw = new RawBlob(KeyTables.Signed(blob.VersionId), blob.TokenId, blob.Blob, blob.Revision, []);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO key_blobs (version_id, token_id, blob, revision, mac)
            VALUES (@VersionId, @TokenId, @Blob, @Revision, @Mac)
            """,
            raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), "key_blobs", $"{blob.VersionId}/{blob.TokenId}", raw.Revision) }, transaction.Transaction);
    }

    /// <summary>The version's bulk key.</summary>
    /// <exception cref="StoreTamperedException">The row was changed or is missing.</exception>
    public async Task<BulkKeyRow> GetBulkKeyAsync(DbConnection connection, KeyVersionId versionId, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<RawBulkKey>(
            "SELECT version_id AS VersionId, wrapped AS Wrapped, revision AS Revision, mac AS Mac FROM bulk_keys WHERE version_id = @id",
            new { id = KeyTables.Signed(versionId) }) ?? throw Missing("bulk_keys", versionId);
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, "bulk_keys", versionId.ToString(), raw.Revision, cancellationToken);
        return new BulkKeyRow(versionId, raw.Wrapped, raw.Revision);
    }

    public async Task InsertBulkKeyAsync(IStoreTransaction transaction, BulkKeyRow bulkKey)
    {
        var raw = new RawBulkKey(KeyTables.Signed(bulkKey.VersionId), bulkKey.Wrapped, bulkKey.Revision, []);
        await transaction.Connection.ExecuteAsync(
            "INSERT INTO bulk_keys (version_id, wrapped, revision, mac) VALUES (@VersionId, @Wrapped, @Revision, @Mac)",
            raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), "bulk_keys", bulkKey.VersionId.ToString(), raw.Revision) }, transaction.Transaction);
    }

    /// <summary>Overwrites every wrap of a version's KEK and its bulk key with nothing.</summary>
    public async Task ClearAsync(IStoreTransaction transaction, KeyVersionId versionId)
    {
        var id = KeyTables.Signed(versionId);
        foreach (var raw in (await transaction.Connection.QueryAsync<RawBlob>(
            "SELECT version_id AS VersionId, token_id AS TokenId, blob AS Blob, revision AS Revision, mac AS Mac FROM key_blobs WHERE version_id = @id ORDER BY token_id",
            new { id }, transaction.Transaction)).AsList())
        {
            var rowId = $"{versionId}/{raw.TokenId}";
            await rows.VerifyAsync(raw.Canonical(), raw.Mac, "key_blobs", rowId, raw.Revision, CancellationToken.None);
            var cleared = raw with { Blob = [], Revision = raw.Revision + 1 };
            await transaction.Connection.ExecuteAsync(
                "UPDATE key_blobs SET blob = @Blob, revision = @Revision, mac = @Mac WHERE version_id = @VersionId AND token_id = @TokenId",
                cleared with { Mac = await rows.SealAsync(transaction, cleared.Canonical(), "key_blobs", rowId, cleared.Revision) }, transaction.Transaction);
        }

        var bulkKey = await transaction.Connection.QuerySingleOrDefaultAsync<RawBulkKey>(
            "SELECT version_id AS VersionId, wrapped AS Wrapped, revision AS Revision, mac AS Mac FROM bulk_keys WHERE version_id = @id", new { id }, transaction.Transaction)
            ?? throw Missing("bulk_keys", versionId);
        await rows.VerifyAsync(bulkKey.Canonical(), bulkKey.Mac, "bulk_keys", versionId.ToString(), bulkKey.Revision, CancellationToken.None);
        var emptied = bulkKey with { Wrapped = [], Revision = bulkKey.Revision + 1 };
        await transaction.Connection.ExecuteAsync(
            "UPDATE bulk_keys SET wrapped = @Wrapped, revision = @Revision, mac = @Mac WHERE version_id = @VersionId",
            emptied with { Mac = await rows.SealAsync(transaction, emptied.Canonical(), "bulk_keys", versionId.ToString(), emptied.Revision) }, transaction.Transaction);
    }

    /// <summary>The version's count of reserved wraps.</summary>
    /// <exception cref="StoreTamperedException">The row was changed or is missing.</exception>
    public async Task<WrapCountRow> GetWrapCountAsync(
        DbConnection connection, DbTransaction? transaction, KeyVersionId versionId, CancellationToken cancellationToken) =>
        (await GetWrapCountsAsync(connection, transaction, [versionId], cancellationToken))[versionId];

    /// <summary>The counts of these versions, all of them, in one statement.</summary>
    /// <exception cref="StoreTamperedException">A row was changed or is missing.</exception>
    public async Task<Dictionary<KeyVersionId, WrapCountRow>> GetWrapCountsAsync(
        DbConnection connection, DbTransaction? transaction, IReadOnlyCollection<KeyVersionId> versionIds, CancellationToken cancellationToken)
    {
        var counts = new Dictionary<KeyVersionId, WrapCountRow>(versionIds.Count);
        foreach (var raw in await connection.QueryAsync<RawWrapCount>(
            $"""
            SELECT version_id AS VersionId, reserved AS Reserved, revision AS Revision, mac AS Mac
            FROM wrap_counts WHERE version_id {Among.Values(connection, "ids")}
            """,
            new { ids = versionIds.Select(KeyTables.Signed).ToArray() }, transaction))
        {
            var id = KeyTables.Unsigned(raw.VersionId);
            await rows.VerifyAsync(raw.Canonical(), raw.Mac, "wrap_counts", id.ToString(), raw.Revision, cancellationToken);
            counts.Add(id, new WrapCountRow(id, raw.Reserved, raw.Revision));
        }

        return counts.Count == versionIds.Count ? counts : throw Missing("wrap_counts", versionIds.First(id => !counts.ContainsKey(id)));
    }

    /// <summary>Inserts a count, or puts it in the place of the version's earlier one.</summary>
    public async Task PutWrapCountAsync(IStoreTransaction transaction, WrapCountRow count)
    {
        var raw = new RawWrapCount(KeyTables.Signed(count.VersionId), count.Reserved, count.Revision, []);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO wrap_counts (version_id, reserved, revision, mac) VALUES (@VersionId, @Reserved, @Revision, @Mac)
            ON CONFLICT (version_id) DO UPDATE SET reserved = @Reserved, revision = @Revision, mac = @Mac
            """,
            raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), "wrap_counts", count.VersionId.ToString(), raw.Revision) }, transaction.Transaction);
    }

    /// <summary>
    /// What belongs to the versions of the keys from one name to another, both included: KEKs wrapped for one token or the backup key, bulk keys,
    /// counts. A row that was changed goes to <paramref name="tampered"/> and is left out.
    /// </summary>
    public async Task<VersionMaterials> ListOfKeysAsync(
        DbConnection connection, string first, string last, string tokenId, Action<StoreTamperedException> tampered, CancellationToken cancellationToken)
    {
        var materials = new VersionMaterials(await ListBlobsOfKeysAsync(connection, first, last, tokenId, tampered, cancellationToken), [], []);
        foreach (var raw in await connection.QueryAsync<RawBulkKey>(
            """
            SELECT b.version_id AS VersionId, b.wrapped AS Wrapped, b.revision AS Revision, b.mac AS Mac
            FROM key_versions v JOIN bulk_keys b ON b.version_id = v.id WHERE v.key_name BETWEEN @first AND @last
            """,
            new { first, last }))
        {
            var id = KeyTables.Unsigned(raw.VersionId);
            if (await IsWholeAsync(raw.Canonical(), raw.Mac, "bulk_keys", id.ToString()))
            {
                materials.BulkKeys[id] = raw.Wrapped;
            }
        }

        foreach (var raw in await connection.QueryAsync<RawWrapCount>(
            """
            SELECT w.version_id AS VersionId, w.reserved AS Reserved, w.revision AS Revision, w.mac AS Mac
            FROM key_versions v JOIN wrap_counts w ON w.version_id = v.id WHERE v.key_name BETWEEN @first AND @last
            """,
            new { first, last }))
        {
            var id = KeyTables.Unsigned(raw.VersionId);
            if (await IsWholeAsync(raw.Canonical(), raw.Mac, "wrap_counts", id.ToString()))
            {
                materials.WrapsReserved[id] = raw.Reserved;
            }
        }

        return materials;

        ValueTask<bool> IsWholeAsync(byte[] canonical, byte[] mac, string table, string rowId) =>
            this.IsWholeAsync(canonical, mac, table, rowId, tampered, cancellationToken);
    }

    /// <summary>The KEKs alone, wrapped for one token or the backup key. As <see cref="ListOfKeysAsync"/>.</summary>
    public async Task<Dictionary<KeyVersionId, byte[]>> ListBlobsOfKeysAsync(
        DbConnection connection, string first, string last, string tokenId, Action<StoreTamperedException> tampered, CancellationToken cancellationToken)
    {
        var blobs = new Dictionary<KeyVersionId, byte[]>();
        foreach (var raw in await connection.QueryAsync<RawBlob>(
            """
            SELECT b.version_id AS VersionId, b.token_id AS TokenId, b.blob AS Blob, b.revision AS Revision, b.mac AS Mac
            FROM key_versions v JOIN key_blobs b ON b.version_id = v.id WHERE v.key_name BETWEEN @first AND @last AND b.token_id = @tokenId
            """,
            new { first, last, tokenId }))
        {
            var id = KeyTables.Unsigned(raw.VersionId);
            if (await IsWholeAsync(raw.Canonical(), raw.Mac, "key_blobs", $"{id}/{tokenId}", tampered, cancellationToken))
            {
                blobs[id] = raw.Blob;
            }
        }

        return blobs;
    }

    private async ValueTask<bool> IsWholeAsync(
        byte[] canonical, byte[] mac, string table, string rowId, Action<StoreTamperedException> tampered, CancellationToken cancellationToken)
    {
        try
        {
            await rows.VerifyAsync(canonical, mac, table, rowId, cancellationToken);
            return true;
        }
        catch (StoreTamperedException e)
        {
            tampered(e);
            return false;
        }
    }

    private static StoreTamperedException Missing(string table, KeyVersionId versionId) =>
        new(table, versionId.ToString(), "the row is missing");

    private sealed record RawBlob(long VersionId, string TokenId, byte[] Blob, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row("key_blobs").AddInt64(VersionId).AddString(TokenId).AddBytes(Blob)
            .AddInt64(Revision).ToArray();
    }

    private sealed record RawBulkKey(long VersionId, byte[] Wrapped, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row("bulk_keys").AddInt64(VersionId).AddBytes(Wrapped).AddInt64(Revision).ToArray();
    }

    private sealed record RawWrapCount(long VersionId, long Reserved, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row("wrap_counts").AddInt64(VersionId).AddInt64(Reserved).AddInt64(Revision).ToArray();
    }
}

/// <summary>What belongs to many versions, by their ids; verified.</summary>
internal sealed record VersionMaterials(
    Dictionary<KeyVersionId, byte[]> Blobs, Dictionary<KeyVersionId, byte[]> BulkKeys, Dictionary<KeyVersionId, long> WrapsReserved);
