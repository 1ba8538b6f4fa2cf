using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Keys;

/// <summary>
/// SQL of what was done with versions, by whom. The rows are sums over calls that each stand in the audit log; they carry a MAC and are not on
/// record themselves, for there may be thousands a minute.
/// </summary>
internal sealed class KeyUseTable(RowAuthenticator rows)
{
    private const string Table = "key_uses";

    private const string Columns =
        """
        u.version_id AS VersionId, u.principal AS Principal, u.protected_items AS ProtectedItems, u.protected_bytes AS ProtectedBytes,
        u.processed_items AS ProcessedItems, u.processed_bytes AS ProcessedBytes, u.first_used_at AS FirstUsedAt, u.last_used_at AS LastUsedAt,
        u.revision AS Revision, u.mac AS Mac
        """;

    /// <summary>Adds to a sum; a version that is not there is passed over.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task AddAsync(IStoreTransaction transaction, KeyUseRow more)
    {
        var id = KeyTables.Signed(more.VersionId);
        var raw = await transaction.Connection.QuerySingleOrDefaultAsync<Raw>(
            $"SELECT {Columns} FROM key_uses u WHERE u.version_id = @id AND u.principal = @Principal", new { id, more.Principal }, transaction.Transaction);
        var before = raw is null ? more with { Revision = 0 } : await VerifyAsync(raw, CancellationToken.None);
        var sum = raw is null
            ? more with { Revision = 1 }
            : before with
            {
                FirstTime = more.FirstTime < before.FirstTime ? more.FirstTime : before.FirstTime,
                ProtectedItems = before.ProtectedItems + more.ProtectedItems,
                ProtectedBytes = before.ProtectedBytes + more.ProtectedBytes,
                ProcessedItems = before.ProcessedItems + more.ProcessedItems,
                ProcessedBytes = before.ProcessedBytes + more.ProcessedBytes,
                LastTime = more.LastTime > before.LastTime ? more.LastTime : before.LastTime,
                Revision = before.Revision + 1,
            };
        var written = new Raw(
            id, sum.Principal, sum.ProtectedItems, sum.ProtectedBytes, sum.ProcessedItems, sum.ProcessedBytes,
            UnixTime.Nanoseconds(sum.FirstTime), UnixTime.Nanoseconds(sum.LastTime), sum.Revision, []);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO key_uses
                (version_id, principal, protected_items, protected_bytes, processed_items, processed_bytes, first_used_at, last_used_at, revision, mac)
            SELECT @VersionId, @Principal, @ProtectedItems, @ProtectedBytes, @ProcessedItems, @ProcessedBytes, @FirstUsedAt, @LastUsedAt, @Revision, @Mac
            WHERE EXISTS (SELECT 1 FROM key_versions WHERE id = @VersionId)
            ON CONFLICT (version_id, principal) DO UPDATE SET protected_items = @ProtectedItems, protected_bytes = @ProtectedBytes,
                processed_items = @ProcessedItems, processed_bytes = @ProcessedBytes, first_used_at = @FirstUsedAt,
                last_used_at = @LastUsedAt, revision = @Revision, mac = @Mac
            """,
            written with { Mac = await rows.MacAsync(written.Canonical(), CancellationToken.None) }, transaction.Transaction);
    }

    /// <summary>What was done with all versions of a key, the last user first.</summary>
    public async Task<IReadOnlyList<KeyUseRow>> ListAsync(DbConnection connection, string keyName, int limit, CancellationToken cancellationToken)
    {
        var list = new List<KeyUseRow>();
        foreach (var raw in await connection.QueryAsync<Raw>(
            $"""
            SELECT {Columns} FROM key_uses u JOIN key_versions v ON v.id = u.version_id
            WHERE v.key_name = @keyName ORDER BY u.last_used_at DESC, u.version_id, u.principal LIMIT @limit
            """,
            new { keyName, limit }))
        {
            list.Add(await VerifyAsync(raw, cancellationToken));
        }

        return list;
    }

    /// <summary>When a version was last used; null when it never was.</summary>
    public async Task<DateTimeOffset?> FindLastUseAsync(DbConnection connection, KeyVersionId versionId, CancellationToken cancellationToken)
    {
        DateTimeOffset? last = null;
        foreach (var raw in await connection.QueryAsync<Raw>(
            $"SELECT {Columns} FROM key_uses u WHERE u.version_id = @id", new { id = KeyTables.Signed(versionId) }))
        {
            var use = await VerifyAsync(raw, cancellationToken);
            last = last is null || use.LastTime > last ? use.LastTime : last;
        }

        return last;
    }

    private async Task<KeyUseRow> VerifyAsync(Raw raw, CancellationToken cancellationToken)
    {
        var id = KeyTables.Unsigned(raw.VersionId);
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, Table, $"{id}/{raw.Principal}", cancellationToken);
        return new KeyUseRow(
            id, raw.Principal, raw.ProtectedItems, raw.ProtectedBytes, raw.ProcessedItems, raw.ProcessedBytes,
            UnixTime.FromNanoseconds(raw.FirstUsedAt), UnixTime.FromNanoseconds(raw.LastUsedAt), raw.Revision);
    }

    private sealed record Raw(
        long VersionId, string Principal, long ProtectedItems, long ProtectedBytes, long ProcessedItems, long ProcessedBytes, long FirstUsedAt,
        long LastUsedAt, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row(Table).AddInt64(VersionId).AddString(Principal).AddInt64(ProtectedItems).AddInt64(ProtectedBytes)
            .AddInt64(ProcessedItems).AddInt64(ProcessedBytes).AddInt64(FirstUsedAt).AddInt64(LastUsedAt).AddInt64(Revision).ToArray();
    }
}
