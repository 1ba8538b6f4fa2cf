using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Keys;

/// <summary>
/// SQL of the key tables. Every row is verified when it is read and MACed when it is written: the row types of this folder exist
/// only verified. Canonical bytes are the table's columns in the order of the schema, without <c>mac</c>.
/// </summary>
internal sealed class KeyTables(RowAuthenticator rows)
{
    private const string KeyColumns =
        """
        k.name AS Name, k.purpose AS Purpose, k.rotation_period_seconds AS PeriodSeconds, k.created_at AS CreatedAt,
        k.primary_version AS PrimaryVersion, k.version_count AS VersionCount, k.version_change_count AS VersionChangeCount,
        k.revision AS Revision, k.mac AS Mac
        """;

    private const string VersionColumns =
        """
        v.id AS Id, v.key_name AS KeyName, v.state AS State, v.created_at AS CreatedAt, v.activated_at AS ActivatedAt,
        v.deactivated_at AS DeactivatedAt, v.check_value AS CheckValue, v.revision AS Revision, v.mac AS Mac
        """;

    /// <summary>A key by name; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed, or versions of the key are missing or were put back.</exception>
    public async Task<KeyRow?> FindKeyAsync(
        DbConnection connection, DbTransaction? transaction, string name, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<RawKey>(
            $"SELECT {KeyColumns} FROM keys k WHERE k.name = @name", new { name }, transaction);
        if (raw is null)
        {
            return null;
        }

        var key = await VerifyAsync(raw, cancellationToken);
        var versions = await connection.QuerySingleAsync<RawVersionSum>(
            "SELECT COUNT(*) AS Count, CAST(COALESCE(SUM(revision), 0) AS BIGINT) AS Changes FROM key_versions WHERE key_name = @name", new { name },
            transaction);
        return versions.Count == key.VersionCount && versions.Changes == key.VersionChangeCount
            ? key
            : throw new StoreTamperedException(
                "key_versions", $"{name}/*",
                $"{key.VersionCount} versions with {key.VersionChangeCount} changes are accounted for, "
                + $"{versions.Count} with {versions.Changes} are there");
    }

    /// <summary>Names after <paramref name="after"/> that begin with <paramref name="prefix"/>, in byte order; not verified, only a place
    /// to look.</summary>
    public static async Task<IReadOnlyList<string>> ListNamesAsync(DbConnection connection, string prefix, string after, int limit) =>
        (await connection.QueryAsync<string>(
            // Names are of characters below U+007F, so this end is above every name that begins with the prefix.
            "SELECT name FROM keys WHERE name > @after AND name >= @prefix AND name < @end ORDER BY name LIMIT @limit",
            new { after, prefix, end = prefix + "\u007f", limit })).AsList();

    /// <summary>Number of keys and sum of their revisions.</summary>
    public static async Task<(long Count, long RevisionSum)> SumKeysAsync(DbConnection connection)
    {
        var sum = await connection.QuerySingleAsync<RawVersionSum>(
            "SELECT COUNT(*) AS Count, CAST(COALESCE(SUM(revision), 0) AS BIGINT) AS Changes FROM keys");
        return (sum.Count, sum.Changes);
    }

    public async Task InsertKeyAsync(IStoreTransaction transaction, KeyRow key) => await transaction.Connection.ExecuteAsync(
        """
        INSERT INTO keys
            (name, purpose, rotation_period_seconds, created_at, primary_version, version_count, version_change_count, revision, mac)
        VALUES (@Name, @Purpose, @PeriodSeconds, @CreatedAt, @PrimaryVersion, @VersionCount, @VersionChangeCount, @Revision, @Mac)
        """,
        await RawAsync(transaction, key), transaction.Transaction);

    public async Task UpdateKeyAsync(IStoreTransaction transaction, KeyRow key) => await transaction.Connection.ExecuteAsync(
        """
        UPDATE keys SET primary_version = @PrimaryVersion, version_count = @VersionCount, version_change_count = @VersionChangeCount,
            revision = @Revision, mac = @Mac
        WHERE name = @Name
        """,
        await RawAsync(transaction, key), transaction.Transaction);

    /// <summary>A version by id; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<KeyVersionRow?> FindVersionAsync(
        DbConnection connection, DbTransaction? transaction, KeyVersionId id, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<RawVersion>(
            $"SELECT {VersionColumns} FROM key_versions v WHERE v.id = @id", new { id = Signed(id) }, transaction);
        return raw is null ? null : await VerifyAsync(raw, cancellationToken);
    }

    /// <summary>Versions of a key, newest first, before the given place (creation time, then id).</summary>
    public async Task<IReadOnlyList<KeyVersionRow>> ListVersionsAsync(
        DbConnection connection, string keyName, long beforeTime, long beforeId, int limit, CancellationToken cancellationToken)
    {
        var list = new List<KeyVersionRow>();
        foreach (var raw in await connection.QueryAsync<RawVersion>(
            $"""
            SELECT {VersionColumns} FROM key_versions v
            WHERE v.key_name = @keyName AND (v.created_at < @beforeTime OR (v.created_at = @beforeTime AND v.id < @beforeId))
            ORDER BY v.created_at DESC, v.id DESC LIMIT @limit
            """,
            new { keyName, beforeTime, beforeId, limit }))
        {
            list.Add(await VerifyAsync(raw, cancellationToken));
        }

        return list;
    }

    public async Task InsertVersionAsync(IStoreTransaction transaction, KeyVersionRow version) => await transaction.Connection.ExecuteAsync(
        """
        INSERT INTO key_versions (id, key_name, state, created_at, activated_at, deactivated_at, check_value, revision, mac)
        VALUES (@Id, @KeyName, @State, @CreatedAt, @ActivatedAt, @DeactivatedAt, @CheckValue, @Revision, @Mac)
        """,
        await RawAsync(transaction, version), transaction.Transaction);

    public async Task UpdateVersionAsync(IStoreTransaction transaction, KeyVersionRow version) => await transaction.Connection.ExecuteAsync(
        """
        UPDATE key_versions SET state = @State, activated_at = @ActivatedAt, deactivated_at = @DeactivatedAt,
            revision = @Revision, mac = @Mac
        WHERE id = @Id
        """,
        await RawAsync(transaction, version), transaction.Transaction);

    private async Task<KeyRow> VerifyAsync(RawKey raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, "keys", raw.Name, cancellationToken);
        return new KeyRow(
            raw.Name, (KeyPurpose)raw.Purpose, new RotationPolicy(TimeSpan.FromSeconds(raw.PeriodSeconds)),
            UnixTime.FromNanoseconds(raw.CreatedAt), Unsigned(raw.PrimaryVersion), raw.VersionCount, raw.VersionChangeCount, raw.Revision);
    }

    private async Task<KeyVersionRow> VerifyAsync(RawVersion raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, "key_versions", Unsigned(raw.Id).ToString(), cancellationToken);
        return new KeyVersionRow(
            Unsigned(raw.Id), raw.KeyName, (KeyState)raw.State, UnixTime.FromNanoseconds(raw.CreatedAt), Time(raw.ActivatedAt),
            Time(raw.DeactivatedAt), raw.CheckValue, raw.Revision);
    }

    private async Task<RawKey> RawAsync(IStoreTransaction transaction, KeyRow key)
    {
        var raw = new RawKey(
            key.Name, (long)key.Purpose, (long)key.Rotation.Period.TotalSeconds, UnixTime.Nanoseconds(key.CreateTime),
            Signed(key.PrimaryVersion), key.VersionCount, key.VersionChangeCount, key.Revision, []);
        return raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), "keys", key.Name, raw.Revision) };
    }

    private async Task<RawVersion> RawAsync(IStoreTransaction transaction, KeyVersionRow version)
    {
        var raw = new RawVersion(
            Signed(version.Id), version.KeyName, (long)version.State, UnixTime.Nanoseconds(version.CreateTime),
            Nanoseconds(version.ActivateTime), Nanoseconds(version.DeactivateTime), version.CheckValue, version.Revision, []);
        return raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), "key_versions", version.Id.ToString(), raw.Revision) };
    }

    private static long? Nanoseconds(DateTimeOffset? time) => time is { } value ? UnixTime.Nanoseconds(value) : null;

    private static DateTimeOffset? Time(long? nanoseconds) => nanoseconds is { } value ? UnixTime.FromNanoseconds(value) : null;

    /// <summary>Ids stand in rows as the same 64 bits, signed.</summary>
    internal static long Signed(KeyVersionId id) => unchecked((long)id.Value);

    internal static KeyVersionId Unsigned(long id) => new(unchecked((ulong)id));

    private sealed record RawKey(
        string Name, long Purpose, long PeriodSeconds, long CreatedAt, long PrimaryVersion, long VersionCount, long VersionChangeCount,
        long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row("keys").AddString(Name).AddInt64(Purpose).AddInt64(PeriodSeconds).AddInt64(CreatedAt)
            .AddInt64(PrimaryVersion).AddInt64(VersionCount).AddInt64(VersionChangeCount).AddInt64(Revision).ToArray();
    }

    private sealed record RawVersion(
        long Id, string KeyName, long State, long CreatedAt, long? ActivatedAt, long? DeactivatedAt, byte[] CheckValue, long Revision,
        byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row("key_versions").AddInt64(Id).AddString(KeyName).AddInt64(State).AddInt64(CreatedAt)
            .AddInt64(ActivatedAt).AddInt64(DeactivatedAt).AddBytes(CheckValue).AddInt64(Revision).ToArray();
    }

    private sealed record RawVersionSum(long Count, long Changes);
}
