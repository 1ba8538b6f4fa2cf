using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Holdings;
using KeyService.Server.Keys;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Destruction;

/// <summary>
/// SQL of destructions. Every row is verified when it is read and MACed when it is written. Canonical bytes are the table's columns in the
/// order of the schema, without <c>mac</c>.
/// </summary>
internal sealed class DestructionTable(RowAuthenticator rows)
{
    private const string Table = "destructions";

    private const string Columns =
        """
        id AS Id, key_name AS KeyName, versions AS Versions, whole_key AS WholeKey, reason AS Reason, state AS State, asked_by AS AskedBy,
        asked_at AS AskedAt, due_at AS DueAt, ended_by AS EndedBy, ended_at AS EndedAt, uses AS Uses, last_used_at AS LastUsedAt,
        certificate AS Certificate, revision AS Revision, mac AS Mac
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
    [
        DecidingTable.Of<Raw>(
            Table, $"SELECT {Columns} FROM destructions", "id", "@Id",
            raw => new DecidingRow(DestructionRow.TextOf(unchecked((ulong)raw.Id)), raw.Revision, raw.Canonical())),
    ];

    private readonly RegisterState _registers = new(rows);

    /// <summary>A destruction by id; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<DestructionRow?> FindAsync(DbConnection connection, DbTransaction? transaction, ulong id, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<Raw>(
            $"SELECT {Columns} FROM destructions WHERE id = @id", new { id = unchecked((long)id) }, transaction);
        return raw is null ? null : await VerifyAsync(raw, cancellationToken);
    }

    /// <summary>Destructions after an id (signed), in its order.</summary>
    public Task<IReadOnlyList<DestructionRow>> ListAsync(DbConnection connection, long after, int limit, CancellationToken cancellationToken) =>
        SelectAsync(connection, null, "id > @after ORDER BY id LIMIT @limit", new { after, limit }, cancellationToken);

    /// <summary>Those that wait for time or approval, compared with the register, so that none was taken away.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, deleted or put back.</exception>
    public async Task<IReadOnlyList<DestructionRow>> ListOpenAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        var sum = await connection.QuerySingleAsync<RegisterSum>(
            "SELECT COUNT(*) AS Count, CAST(COALESCE(SUM(revision), 0) AS BIGINT) AS Changes FROM destructions", null, transaction);
        await _registers.VerifyAsync(connection, Table, sum.Count, sum.Changes, cancellationToken);
        return await SelectAsync(
            connection, transaction, "state IN (1, 2) ORDER BY id", new { }, cancellationToken);
    }

    /// <summary>Tokens and backup keys that a version's key-encryption key is wrapped for in this store.</summary>
    public static async Task<IReadOnlyList<string>> WrappedForAsync(DbConnection connection, DbTransaction? transaction, KeyVersionId version) =>
        (await connection.QueryAsync<string>(
            "SELECT token_id FROM key_blobs WHERE version_id = @id ORDER BY token_id", new { id = KeyTables.Signed(version) }, transaction)).AsList();

    public async Task InsertAsync(IStoreTransaction transaction, DestructionRow destruction)
    {
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO destructions (id, key_name, versions, whole_key, reason, state, asked_by, asked_at, due_at, ended_by, ended_at, uses,
                last_used_at, certificate, revision, mac)
            VALUES (@Id, @KeyName, @Versions, @WholeKey, @Reason, @State, @AskedBy, @AskedAt, @DueAt, @EndedBy, @EndedAt, @Uses,
                @LastUsedAt, @Certificate, @Revision, @Mac)
            """,
            await SealAsync(transaction, destruction), transaction.Transaction);
        await _registers.AddedAsync(transaction, Table);
    }

    /// <summary>Writes a state with a revision one higher than the row's.</summary>
    public async Task UpdateAsync(IStoreTransaction transaction, DestructionRow destruction)
    {
        await transaction.Connection.ExecuteAsync(
            """
            UPDATE destructions SET state = @State, ended_by = @EndedBy, ended_at = @EndedAt, uses = @Uses, last_used_at = @LastUsedAt,
                certificate = @Certificate, revision = @Revision, mac = @Mac
            WHERE id = @Id AND revision = @Revision - 1
            """,
            await SealAsync(transaction, destruction), transaction.Transaction);
        await _registers.ChangedAsync(transaction, Table);
    }

    private async Task<IReadOnlyList<DestructionRow>> SelectAsync(
        DbConnection connection, DbTransaction? transaction, string where, object values, CancellationToken cancellationToken)
    {
        var list = new List<DestructionRow>();
        foreach (var raw in await connection.QueryAsync<Raw>($"SELECT {Columns} FROM destructions WHERE {where}", values, transaction))
        {
            list.Add(await VerifyAsync(raw, cancellationToken));
        }

        return list;
    }

    private async Task<DestructionRow> VerifyAsync(Raw raw, CancellationToken cancellationToken)
    {
        var destruction = new DestructionRow(
            unchecked((ulong)raw.Id), raw.KeyName, [], raw.WholeKey != 0, raw.Reason, (DestructionState)raw.State, raw.AskedBy,
            UnixTime.FromNanoseconds(raw.AskedAt), UnixTime.FromNanoseconds(raw.DueAt), raw.EndedBy, UnixTime.FromNanoseconds(raw.EndedAt), raw.Uses,
            UnixTime.FromNanoseconds(raw.LastUsedAt), raw.Certificate, raw.Revision);
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, Table, destruction.IdText, raw.Revision, cancellationToken);
        return destruction with { Versions = VersionList.Parse(raw.Versions) };
    }

    private async Task<Raw> SealAsync(IStoreTransaction transaction, DestructionRow destruction)
    {
        var raw = new Raw(
            unchecked((long)destruction.Id), destruction.Key, VersionList.Format(destruction.Versions), destruction.WholeKey ? 1 : 0, destruction.Reason,
            (long)destruction.State, destruction.AskedBy, UnixTime.Nanoseconds(destruction.AskTime), UnixTime.Nanoseconds(destruction.DueTime),
            destruction.EndedBy, UnixTime.Nanoseconds(destruction.EndTime), destruction.Uses, UnixTime.Nanoseconds(destruction.LastUseTime),
            destruction.Certificate, destruction.Revision, []);
        return raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), Table, destruction.IdText, raw.Revision) };
    }

    private sealed record RegisterSum(long Count, long Changes);

    private sealed record Raw(
        long Id, string KeyName, string Versions, long WholeKey, string Reason, long State, string AskedBy, long AskedAt, long DueAt,
        string? EndedBy, long? EndedAt, long Uses, long? LastUsedAt, byte[] Certificate, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row(Table).AddInt64(Id).AddString(KeyName).AddString(Versions).AddInt64(WholeKey).AddString(Reason)
            .AddInt64(State).AddString(AskedBy).AddInt64(AskedAt).AddInt64(DueAt).AddString(EndedBy).AddInt64(EndedAt).AddInt64(Uses)
            .AddInt64(LastUsedAt).AddBytes(Certificate).AddInt64(Revision).ToArray();
    }
}
