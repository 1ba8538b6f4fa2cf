using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

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
        k.limit_seconds AS LimitSeconds, k.warn_seconds AS WarnSeconds, k.rotate_at AS RotateAt, k.warn_at AS WarnAt,
        k.waiting_versions AS WaitingVersions, k.revision AS Revision, k.mac AS Mac
        """;

    private const string VersionColumns =
        """
        v.id AS Id, v.key_name AS KeyName, v.state AS State, v.created_at AS CreatedAt, v.activated_at AS ActivatedAt,
        v.deactivated_at AS DeactivatedAt, v.check_value AS CheckValue, v.state_changed_at AS StateChangedAt,
        v.state_changed_by AS StateChangedBy, v.state_reason AS StateReason, v.processing_stopped AS ProcessingStopped,
        v.suspected_since AS SuspectedSince, v.compromise_processed_at AS CompromiseProcessedAt, v.transition_count AS TransitionCount,
        v.revision AS Revision, v.mac AS Mac
        """;

    /// <summary>How the scrub reads the tables.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
    [
        DecidingTable.Of<RawKey>("keys", $"SELECT {KeyColumns} FROM keys k", "k.name", "@Name", raw => new DecidingRow(raw.Name, raw.Revision, raw.Canonical())),
        DecidingTable.Of<RawVersion>(
            "key_versions", $"SELECT {VersionColumns} FROM key_versions v", "v.id", "@Id",
            raw => new DecidingRow(Unsigned(raw.Id).ToString(), raw.Revision, raw.Canonical())),
    ];

    /// <summary>A key by name; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed, or versions of the key are missing or were put back.</exception>
    public async Task<KeyRow?> FindKeyAsync(
        DbConnection connection, DbTransaction? transaction, string name, CancellationToken cancellationToken) =>
        (await FindKeysAsync(connection, transaction, [name], cancellationToken)).GetValueOrDefault(name);

    /// <summary>Keys by their names, in one statement; those that are not there are left out.</summary>
    /// <exception cref="StoreTamperedException">As for <see cref="FindKeyAsync"/>.</exception>
    public async Task<Dictionary<string, KeyRow>> FindKeysAsync(
        DbConnection connection, DbTransaction? transaction, IReadOnlyCollection<string> names, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync<RawKey, RawVersionSum, (RawKey Raw, RawVersionSum There)>(
            $"""
            SELECT {KeyColumns}, COALESCE(s.there, 0) AS Count, COALESCE(s.changes, 0) AS Changes
            FROM keys k LEFT JOIN (
                SELECT key_name, COUNT(*) AS there, CAST(SUM(revision) AS BIGINT) AS changes FROM key_versions
                WHERE key_name {Among.Values(connection, "names")} GROUP BY key_name) s ON s.key_name = k.name
            WHERE k.name {Among.Values(connection, "names")}
            """,
            (raw, there) => (raw, there), new { names = names.ToArray() }, transaction, splitOn: "Count");
        var keys = new Dictionary<string, KeyRow>(names.Count);
        foreach (var (raw, there) in found)
        {
            var key = await VerifyAsync(raw, cancellationToken);
            keys.Add(key.Name, (there.Count, there.Changes) == (key.VersionCount, key.VersionChangeCount)
                ? key
                : throw new StoreTamperedException(
                    "key_versions", $"{key.Name}/*",
                    $"{key.VersionCount} versions with {key.VersionChangeCount} changes are accounted for, "
                    + $"{there.Count} with {there.Changes} are there"));
        }

        return keys;
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
            (name, purpose, rotation_period_seconds, created_at, primary_version, version_count, version_change_count, limit_seconds,
             warn_seconds, rotate_at, warn_at, waiting_versions, revision, mac)
        VALUES (@Name, @Purpose, @PeriodSeconds, @CreatedAt, @PrimaryVersion, @VersionCount, @VersionChangeCount, @LimitSeconds,
             @WarnSeconds, @RotateAt, @WarnAt, @WaitingVersions, @Revision, @Mac)
        """,
        await RawAsync(transaction, key), transaction.Transaction);

    /// <summary>Writes a state with a revision one higher than the row's.</summary>
    public async Task UpdateKeyAsync(IStoreTransaction transaction, KeyRow key) => Expect(
        await transaction.Connection.ExecuteAsync(
            """
            UPDATE keys SET rotation_period_seconds = @PeriodSeconds, primary_version = @PrimaryVersion, version_count = @VersionCount,
                version_change_count = @VersionChangeCount, limit_seconds = @LimitSeconds, warn_seconds = @WarnSeconds, rotate_at = @RotateAt,
                warn_at = @WarnAt, waiting_versions = @WaitingVersions, revision = @Revision, mac = @Mac
            WHERE name = @Name AND revision = @Revision - 1
            """,
            await RawAsync(transaction, key), transaction.Transaction),
        "keys", key.Name);

    /// <summary>A version by id; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<KeyVersionRow?> FindVersionAsync(
        DbConnection connection, DbTransaction? transaction, KeyVersionId id, CancellationToken cancellationToken) =>
        (await FindVersionsAsync(connection, transaction, [id], cancellationToken)).GetValueOrDefault(id);

    /// <summary>Versions by their ids, in one statement; those that are not there are left out.</summary>
    /// <exception cref="StoreTamperedException">A row was changed.</exception>
    public async Task<Dictionary<KeyVersionId, KeyVersionRow>> FindVersionsAsync(
        DbConnection connection, DbTransaction? transaction, IReadOnlyCollection<KeyVersionId> ids, CancellationToken cancellationToken)
    {
        var versions = new Dictionary<KeyVersionId, KeyVersionRow>(ids.Count);
        foreach (var raw in await connection.QueryAsync<RawVersion>(
            $"SELECT {VersionColumns} FROM key_versions v WHERE v.id {Among.Values(connection, "ids")}", new { ids = ids.Select(Signed).ToArray() },
            transaction))
        {
            var version = await VerifyAsync(raw, cancellationToken);
            versions.Add(version.Id, version);
        }

        return versions;
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

    /// <summary>
    /// Keys from one name to another, both included, in byte order; without the look at their versions that <see cref="FindKeyAsync"/> takes. A
    /// row that was changed goes to <paramref name="tampered"/> and is left out.
    /// </summary>
    public async Task<IReadOnlyList<KeyRow>> ListKeysAsync(
        DbConnection connection, string first, string last, Action<StoreTamperedException> tampered, CancellationToken cancellationToken)
    {
        var list = new List<KeyRow>();
        foreach (var raw in await connection.QueryAsync<RawKey>(
            $"SELECT {KeyColumns} FROM keys k WHERE k.name BETWEEN @first AND @last ORDER BY k.name", new { first, last }))
        {
            try
            {
                list.Add(await VerifyAsync(raw, cancellationToken));
            }
            catch (StoreTamperedException e)
            {
                tampered(e);
            }
        }

        return list;
    }

    /// <summary>Versions of the keys from one name to another, both included. As <see cref="ListKeysAsync"/>.</summary>
    public async Task<IReadOnlyList<KeyVersionRow>> ListVersionsOfKeysAsync(
        DbConnection connection, string first, string last, Action<StoreTamperedException> tampered, CancellationToken cancellationToken)
    {
        var list = new List<KeyVersionRow>();
        foreach (var raw in await connection.QueryAsync<RawVersion>(
            $"SELECT {VersionColumns} FROM key_versions v WHERE v.key_name BETWEEN @first AND @last", new { first, last }))
        {
            try
            {
                list.Add(await VerifyAsync(raw, cancellationToken));
            }
            catch (StoreTamperedException e)
            {
                tampered(e);
            }
        }

        return list;
    }

    /// <summary>Ids of the versions of the keys from one name to another, both included; not verified.</summary>
    public static async Task<IEnumerable<(string KeyName, KeyVersionId Id)>> ListIdsOfKeysAsync(DbConnection connection, string first, string last) =>
        (await connection.QueryAsync<(string KeyName, long Id)>(
            "SELECT v.key_name, v.id FROM key_versions v WHERE v.key_name BETWEEN @first AND @last", new { first, last }))
        .Select(pair => (pair.KeyName, Unsigned(pair.Id)));

    public async Task InsertVersionAsync(IStoreTransaction transaction, KeyVersionRow version) => await transaction.Connection.ExecuteAsync(
        """
        INSERT INTO key_versions
            (id, key_name, state, created_at, activated_at, deactivated_at, check_value, state_changed_at, state_changed_by, state_reason,
             processing_stopped, suspected_since, compromise_processed_at, transition_count, revision, mac)
        VALUES (@Id, @KeyName, @State, @CreatedAt, @ActivatedAt, @DeactivatedAt, @CheckValue, @StateChangedAt, @StateChangedBy, @StateReason,
             @ProcessingStopped, @SuspectedSince, @CompromiseProcessedAt, @TransitionCount, @Revision, @Mac)
        """,
        await RawAsync(transaction, version), transaction.Transaction);

    /// <summary>Writes a state with a revision one higher than the row's.</summary>
    public async Task UpdateVersionAsync(IStoreTransaction transaction, KeyVersionRow version) => Expect(
        await transaction.Connection.ExecuteAsync(
            """
            UPDATE key_versions SET state = @State, activated_at = @ActivatedAt, deactivated_at = @DeactivatedAt,
                state_changed_at = @StateChangedAt, state_changed_by = @StateChangedBy, state_reason = @StateReason,
                processing_stopped = @ProcessingStopped, suspected_since = @SuspectedSince,
                compromise_processed_at = @CompromiseProcessedAt, transition_count = @TransitionCount, revision = @Revision, mac = @Mac
            WHERE id = @Id AND revision = @Revision - 1
            """,
            await RawAsync(transaction, version), transaction.Transaction),
        "key_versions", version.Id.ToString());

    /// <summary>Versions of a key that wait for their activation, the oldest first.</summary>
    public async Task<IReadOnlyList<KeyVersionRow>> ListWaitingAsync(
        DbConnection connection, DbTransaction? transaction, string keyName, CancellationToken cancellationToken)
    {
        var list = new List<KeyVersionRow>();
        foreach (var raw in await connection.QueryAsync<RawVersion>(
            $"SELECT {VersionColumns} FROM key_versions v WHERE v.key_name = @keyName AND v.state = 1 ORDER BY v.created_at, v.id",
            new { keyName }, transaction))
        {
            list.Add(await VerifyAsync(raw, cancellationToken));
        }

        return list;
    }

    private async Task<KeyRow> VerifyAsync(RawKey raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, "keys", raw.Name, raw.Revision, cancellationToken);
        var rotation = new RotationPolicy(
            TimeSpan.FromSeconds(raw.PeriodSeconds), Seconds(raw.LimitSeconds) ?? RotationPolicy.Default.Limit,
            Seconds(raw.WarnSeconds) ?? RotationPolicy.Default.WarnBefore);
        return new KeyRow(
            raw.Name, (KeyPurpose)raw.Purpose, rotation, UnixTime.FromNanoseconds(raw.CreatedAt), Unsigned(raw.PrimaryVersion), raw.VersionCount,
            raw.VersionChangeCount, raw.WaitingVersions ?? 0, Time(raw.RotateAt), raw.Revision);
    }

    private async Task<KeyVersionRow> VerifyAsync(RawVersion raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, "key_versions", Unsigned(raw.Id).ToString(), raw.Revision, cancellationToken);
        return new KeyVersionRow(
            Unsigned(raw.Id), raw.KeyName, (KeyState)raw.State, UnixTime.FromNanoseconds(raw.CreatedAt), Time(raw.ActivatedAt),
            Time(raw.DeactivatedAt), raw.CheckValue,
            raw.StateChangedAt is { } changedAt
                ? new StateChange(UnixTime.FromNanoseconds(changedAt), raw.StateChangedBy ?? "", raw.StateReason ?? "")
                : null,
            raw.Revision)
        {
            ProcessingStopped = raw.ProcessingStopped == 1,
            SuspectedSince = Time(raw.SuspectedSince),
            CompromiseProcessedTime = Time(raw.CompromiseProcessedAt),
            TransitionCount = raw.TransitionCount ?? 0,
        };
    }

    private async Task<RawKey> RawAsync(IStoreTransaction transaction, KeyRow key)
    {
        var raw = new RawKey(
            key.Name, (long)key.Purpose, (long)key.Rotation.Period.TotalSeconds, UnixTime.Nanoseconds(key.CreateTime),
            Signed(key.PrimaryVersion), key.VersionCount, key.VersionChangeCount, (long)key.Rotation.Limit.TotalSeconds,
            (long)key.Rotation.WarnBefore.TotalSeconds, Nanoseconds(key.RotateTime), Nanoseconds(key.WarnTime), key.WaitingVersions,
            key.Revision, []);
        return raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), "keys", key.Name, raw.Revision) };
    }

    private async Task<RawVersion> RawAsync(IStoreTransaction transaction, KeyVersionRow version)
    {
        var raw = new RawVersion(
            Signed(version.Id), version.KeyName, (long)version.State, UnixTime.Nanoseconds(version.CreateTime),
            Nanoseconds(version.ActivateTime), Nanoseconds(version.DeactivateTime), version.CheckValue,
            Nanoseconds(version.LastChange?.Time), version.LastChange?.By, version.LastChange?.Reason, version.ProcessingStopped ? 1 : 0,
            Nanoseconds(version.SuspectedSince), Nanoseconds(version.CompromiseProcessedTime), version.TransitionCount, version.Revision, []);
        return raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), "key_versions", version.Id.ToString(), raw.Revision) };
    }

    private static void Expect(int changed, string table, string rowId)
    {
        if (changed != 1)
        {
            throw new StoreTamperedException(table, rowId, "the row is not at the revision that the service wrote");
        }
    }

    private static TimeSpan? Seconds(long? seconds) => seconds is { } value ? TimeSpan.FromSeconds(value) : null;

    private static long? Nanoseconds(DateTimeOffset? time) => time is { } value ? UnixTime.Nanoseconds(value) : null;

    private static DateTimeOffset? Time(long? nanoseconds) => nanoseconds is { } value ? UnixTime.FromNanoseconds(value) : null;

    /// <summary>Ids stand in rows as the same 64 bits, signed.</summary>
    internal static long Signed(KeyVersionId id) => unchecked((long)id.Value);

    internal static KeyVersionId Unsigned(long id) => new(unchecked((ulong)id));

    // A row of before the lifecycle has no limit and is MACed as it was then. Taking the new columns out of a newer row does not make it one:
    // its MAC is over more.
    private sealed record RawKey(
        string Name, long Purpose, long PeriodSeconds, long CreatedAt, long PrimaryVersion, long VersionCount, long VersionChangeCount,
        long? LimitSeconds, long? WarnSeconds, long? RotateAt, long? WarnAt, long? WaitingVersions, long Revision, byte[] Mac)
    {
        public byte[] Canonical()
        {
            var row = RowMac.Row("keys").AddString(Name).AddInt64(Purpose).AddInt64(PeriodSeconds).AddInt64(CreatedAt)
                .AddInt64(PrimaryVersion).AddInt64(VersionCount).AddInt64(VersionChangeCount);
            if (LimitSeconds is not null || WarnSeconds is not null || RotateAt is not null || WarnAt is not null || WaitingVersions is not null)
            {
                row = row.AddInt64(LimitSeconds).AddInt64(WarnSeconds).AddInt64(RotateAt).AddInt64(WarnAt).AddInt64(WaitingVersions);
            }

            return row.AddInt64(Revision).ToArray();
        }
    }

    // As with keys: a row of before the lifecycle counts no transitions.
    private sealed record RawVersion(
        long Id, string KeyName, long State, long CreatedAt, long? ActivatedAt, long? DeactivatedAt, byte[] CheckValue, long? StateChangedAt,
        string? StateChangedBy, string? StateReason, long? ProcessingStopped, long? SuspectedSince, long? CompromiseProcessedAt,
        long? TransitionCount, long Revision, byte[] Mac)
    {
        public byte[] Canonical()
        {
            var row = RowMac.Row("key_versions").AddInt64(Id).AddString(KeyName).AddInt64(State).AddInt64(CreatedAt)
                .AddInt64(ActivatedAt).AddInt64(DeactivatedAt).AddBytes(CheckValue);
            if (StateChangedAt is not null || StateChangedBy is not null || StateReason is not null || ProcessingStopped is not null
                || SuspectedSince is not null || CompromiseProcessedAt is not null || TransitionCount is not null)
            {
                row = row.AddInt64(StateChangedAt).AddString(StateChangedBy).AddString(StateReason).AddInt64(ProcessingStopped)
                    .AddInt64(SuspectedSince).AddInt64(CompromiseProcessedAt).AddInt64(TransitionCount);
            }

            return row.AddInt64(Revision).ToArray();
        }
    }

    // Without a constructor: where nothing is found SQLite says no type of a column that is calculated, and Dapper looks for one with that.
    private sealed record RawVersionSum
    {
        public long Count { get; init; }

        public long Changes { get; init; }
    }
}
