using System.Buffers.Binary;
using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Server.Keys;
using KeyService.Server.Restore;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Backups;

/// <summary>
/// SQL of bundles and their copies. Rows are verified when they are read and MACed when they are written. The registers <c>bundles</c> and
/// <c>bundle_copies</c> notice a row that was deleted or put back: without them, an old copy row would open the gate again.
/// </summary>
internal sealed class BackupTables(RowAuthenticator rows)
{
    public const string BundleRegister = "bundles";

    public const string CopyRegister = "bundle_copies";

    /// <summary>Versions of one segment.</summary>
    public const int SegmentSize = 1024;

    private const string BundleColumns =
        """
        sequence AS Sequence, bundle_id AS BundleId, kind AS Kind, file_name AS FileName, digest AS Digest, previous_digest AS PreviousDigest,
        signing_key_digest AS SigningKeyDigest, backup_key_id AS BackupKeyId, made_at AS MadeAt, key_count AS KeyCount, version_count AS VersionCount,
        left_out_count AS LeftOutCount, byte_count AS ByteCount, revision AS Revision, mac AS Mac
        """;

    private const string CopyColumns =
        """
        c.bundle AS Bundle, c.destination AS Destination, c.state AS State, c.verified_at AS VerifiedAt, c.checked_at AS CheckedAt,
        c.revision AS Revision, c.mac AS Mac
        """;

    /// <summary>How the scrub reads the tables.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
    [
        DecidingTable.Of<RawBundle>(
            "bundles", $"SELECT {BundleColumns} FROM bundles", "sequence", "@Sequence",
            raw => new DecidingRow($"{raw.Sequence}", raw.Revision, raw.Canonical())),
        DecidingTable.Of<RawCopy>(
            "bundle_copies", $"SELECT {CopyColumns} FROM bundle_copies c", "c.bundle, c.destination", "@Bundle, @Destination",
            raw => new DecidingRow($"{raw.Bundle}/{raw.Destination}", raw.Revision, raw.Canonical())),
        DecidingTable.Of<RawSegment>(
            "bundle_segments",
            "SELECT bundle AS Bundle, ordinal AS Ordinal, version_ids AS VersionIds, revision AS Revision, mac AS Mac FROM bundle_segments",
            "bundle, ordinal", "@Bundle, @Ordinal", raw => new DecidingRow($"{raw.Bundle}/{raw.Ordinal}", raw.Revision, raw.Canonical())),
    ];

    private readonly RegisterState _registers = new(rows);

    /// <summary>Bundles from a sequence number on, oldest first.</summary>
    /// <exception cref="StoreTamperedException">A row was changed.</exception>
    public async Task<IReadOnlyList<BundleRow>> ListBundlesAsync(DbConnection connection, long from, CancellationToken cancellationToken) =>
        await VerifyAsync(
            await connection.QueryAsync<RawBundle>($"SELECT {BundleColumns} FROM bundles WHERE sequence >= @from ORDER BY sequence", new { from }),
            cancellationToken);

    /// <summary>Bundles before a sequence number, newest first.</summary>
    /// <exception cref="StoreTamperedException">A row was changed.</exception>
    public async Task<IReadOnlyList<BundleRow>> ListBundlesBackAsync(
        DbConnection connection, long before, int limit, CancellationToken cancellationToken) =>
        await VerifyAsync(
            await connection.QueryAsync<RawBundle>(
                $"SELECT {BundleColumns} FROM bundles WHERE sequence < @before ORDER BY sequence DESC LIMIT @limit", new { before, limit }),
            cancellationToken);

    /// <summary>The newest bundle; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<BundleRow?> FindLastAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<RawBundle>(
            $"SELECT {BundleColumns} FROM bundles ORDER BY sequence DESC LIMIT 1", transaction: transaction);
        return raw is null ? null : await VerifyAsync(raw, cancellationToken);
    }

    /// <summary>A bundle; null when there is none of that number.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<BundleRow?> FindAsync(DbConnection connection, long sequence, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<RawBundle>($"SELECT {BundleColumns} FROM bundles WHERE sequence = @sequence", new { sequence });
        return raw is null ? null : await VerifyAsync(raw, cancellationToken);
    }

    /// <summary>
    /// Number of the newest full bundle that left nothing out and of which a verified copy stands at one of the destinations (at any when null); null when there is none.
    /// Only a place to look, not verified.
    /// </summary>
    public static async Task<long?> FindNewestCompleteAsync(DbConnection connection, string? destination) => await connection.ExecuteScalarAsync<long?>(
        """
        SELECT MAX(b.sequence) FROM bundles b JOIN bundle_copies c ON c.bundle = b.sequence
        WHERE b.kind = @full AND b.left_out_count = 0 AND c.state = @verified AND (c.destination = @destination OR @any = 1)
        """,
        new { full = (long)BundleKind.Full, verified = (long)CopyState.Verified, destination = destination ?? "", any = destination is null ? 1L : 0L });

    /// <summary>The copies of bundles from a sequence number to another, both included.</summary>
    /// <exception cref="StoreTamperedException">A row was changed.</exception>
    public async Task<IReadOnlyList<CopyRow>> ListCopiesAsync(DbConnection connection, long from, long to, CancellationToken cancellationToken)
    {
        var list = new List<CopyRow>();
        foreach (var raw in await connection.QueryAsync<RawCopy>(
            $"SELECT {CopyColumns} FROM bundle_copies c WHERE c.bundle BETWEEN @from AND @to ORDER BY c.bundle, c.destination", new { from, to }))
        {
            list.Add(await VerifyAsync(raw, cancellationToken));
        }

        return list;
    }

    /// <summary>Holds both tables to their registers, in the same snapshot.</summary>
    /// <exception cref="StoreTamperedException">Rows are missing or were put back.</exception>
    public async Task DemandRegistersAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var bundles = await SumAsync(connection, null, BundleRegister);
        var copies = await SumAsync(connection, null, CopyRegister);
        await _registers.VerifyAsync(connection, BundleRegister, bundles.Count, bundles.Changes, cancellationToken);
        await _registers.VerifyAsync(connection, CopyRegister, copies.Count, copies.Changes, cancellationToken);
    }

    /// <summary>From what the installation was restored; null when it was not.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public Task<Restoration?> FindRestorationAsync(DbConnection connection, CancellationToken cancellationToken) =>
        Restoration.ReadAsync(connection, null, rows, cancellationToken);

    /// <summary>Records a bundle that stands, verified, at a destination.</summary>
    public async Task InsertBundleAsync(IStoreTransaction transaction, BundleRow bundle)
    {
        var raw = RawBundle.Of(bundle);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO bundles (sequence, bundle_id, kind, file_name, digest, previous_digest, signing_key_digest, backup_key_id, made_at, key_count,
                version_count, left_out_count, byte_count, revision, mac)
            VALUES (@Sequence, @BundleId, @Kind, @FileName, @Digest, @PreviousDigest, @SigningKeyDigest, @BackupKeyId, @MadeAt, @KeyCount,
                @VersionCount, @LeftOutCount, @ByteCount, @Revision, @Mac)
            """,
            raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), "bundles", $"{bundle.Sequence}", raw.Revision) }, transaction.Transaction);
        await _registers.AddedAsync(transaction, BundleRegister);
    }

    /// <summary>Records what was found of a copy, the first time or again.</summary>
    /// <param name="before">Its row; null the first time.</param>
    public async Task PutCopyAsync(
        IStoreTransaction transaction, CopyRow? before, long bundle, string destination, CopyState state)
    {
        var now = UnixTime.Nanoseconds(transaction.Time);
        var raw = new RawCopy(
            bundle, destination, (long)state, state == CopyState.Verified || before is null ? now : UnixTime.Nanoseconds(before.VerifiedTime), now,
            (before?.Revision ?? 0) + 1, []);
        raw = raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), "bundle_copies", $"{bundle}/{destination}", raw.Revision) };
        if (before is null)
        {
            await transaction.Connection.ExecuteAsync(
                """
                INSERT INTO bundle_copies (bundle, destination, state, verified_at, checked_at, revision, mac)
                VALUES (@Bundle, @Destination, @State, @VerifiedAt, @CheckedAt, @Revision, @Mac)
                """,
                raw, transaction.Transaction);
            await _registers.AddedAsync(transaction, CopyRegister);
        }
        else
        {
            await transaction.Connection.ExecuteAsync(
                """
                UPDATE bundle_copies SET state = @State, verified_at = @VerifiedAt, checked_at = @CheckedAt, revision = @Revision, mac = @Mac
                WHERE bundle = @Bundle AND destination = @Destination
                """,
                raw, transaction.Transaction);
            await _registers.ChangedAsync(transaction, CopyRegister);
        }
    }

    /// <summary>Records versions that a bundle is the first to hold.</summary>
    /// <param name="ids">1 to <see cref="SegmentSize"/>, ascending.</param>
    public async Task InsertSegmentAsync(IStoreTransaction transaction, long bundle, int ordinal, ReadOnlyMemory<KeyVersionId> ids)
    {
        var bytes = new byte[ids.Length * KeyVersionId.Length];
        for (var i = 0; i < ids.Length; i++)
        {
            ids.Span[i].WriteTo(bytes.AsSpan(i * KeyVersionId.Length));
        }

        var raw = new RawSegment(bundle, ordinal, bytes, 1, []);
        await transaction.Connection.ExecuteAsync(
            "INSERT INTO bundle_segments (bundle, ordinal, version_ids, revision, mac) VALUES (@Bundle, @Ordinal, @VersionIds, @Revision, @Mac)",
            raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), "bundle_segments", $"{bundle}/{ordinal}", 1) }, transaction.Transaction);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO bundle_versions (version_id, bundle, ordinal) VALUES (@id, @bundle, @ordinal)
            ON CONFLICT (version_id) DO UPDATE SET bundle = @bundle, ordinal = @ordinal
            """,
            ids.ToArray().Select(id => new { id = KeyTables.Signed(id), bundle, ordinal = (long)ordinal }), transaction.Transaction);
    }

    /// <summary>Which bundle was the first to hold a version; null when none did.</summary>
    /// <exception cref="StoreTamperedException">The segment was changed, is missing, or does not name the version.</exception>
    public async Task<long?> FindFirstBundleAsync(DbConnection connection, KeyVersionId version, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<RawSegment>(
            """
            SELECT s.bundle AS Bundle, s.ordinal AS Ordinal, s.version_ids AS VersionIds, s.revision AS Revision, s.mac AS Mac
            FROM bundle_versions v JOIN bundle_segments s ON s.bundle = v.bundle AND s.ordinal = v.ordinal
            WHERE v.version_id = @id
            """,
            new { id = KeyTables.Signed(version) });
        if (raw is null)
        {
            return null;
        }

        await rows.VerifyAsync(raw.Canonical(), raw.Mac, "bundle_segments", $"{raw.Bundle}/{raw.Ordinal}", raw.Revision, cancellationToken);
        return raw.Contains(version)
            ? raw.Bundle
            : throw new StoreTamperedException("bundle_versions", version.ToString(), "it names a bundle that did not hold the version");
    }

    /// <summary>Names of keys after a place that have versions made since a time that no bundle holds, in byte order.</summary>
    public static async Task<IReadOnlyList<string>> ListWaitingNamesAsync(DbConnection connection, DateTimeOffset since, string after, int limit) =>
        (await connection.QueryAsync<string>(
            """
            SELECT DISTINCT v.key_name FROM key_versions v LEFT JOIN bundle_versions b ON b.version_id = v.id
            WHERE v.created_at >= @since AND b.version_id IS NULL AND v.key_name > @after ORDER BY v.key_name LIMIT @limit
            """,
            new { since = UnixTime.Nanoseconds(since), after, limit })).AsList();

    /// <summary>Some versions made since a time that no bundle holds, at most <paramref name="limit"/>.</summary>
    public static async Task<IReadOnlyList<KeyVersionId>> ListWaitingAsync(DbConnection connection, DateTimeOffset since, int limit) =>
        [.. (await connection.QueryAsync<long>(
            """
            SELECT v.id FROM key_versions v LEFT JOIN bundle_versions b ON b.version_id = v.id
            WHERE v.created_at >= @since AND b.version_id IS NULL LIMIT @limit
            """,
            new { since = UnixTime.Nanoseconds(since), limit })).Select(KeyTables.Unsigned)];

    /// <summary>Versions of the keys from one name to another that a bundle holds.</summary>
    public static async Task<HashSet<KeyVersionId>> ListBundledAsync(DbConnection connection, string first, string last) =>
        [.. (await connection.QueryAsync<long>(
            "SELECT b.version_id FROM key_versions v JOIN bundle_versions b ON b.version_id = v.id WHERE v.key_name BETWEEN @first AND @last",
            new { first, last })).Select(KeyTables.Unsigned)];

    private static async Task<RawSum> SumAsync(DbConnection connection, DbTransaction? transaction, string table) =>
        await connection.QuerySingleAsync<RawSum>(
            $"SELECT COUNT(*) AS Count, CAST(COALESCE(SUM(revision), 0) AS BIGINT) AS Changes FROM {table}", transaction: transaction);

    private async Task<List<BundleRow>> VerifyAsync(IEnumerable<RawBundle> raws, CancellationToken cancellationToken)
    {
        var list = new List<BundleRow>();
        foreach (var raw in raws)
        {
            list.Add(await VerifyAsync(raw, cancellationToken));
        }

        return list;
    }

    private async Task<BundleRow> VerifyAsync(RawBundle raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, "bundles", $"{raw.Sequence}", raw.Revision, cancellationToken);
        return new BundleRow(
            raw.Sequence, raw.BundleId, (BundleKind)raw.Kind, raw.FileName, raw.Digest, raw.PreviousDigest, raw.SigningKeyDigest, raw.BackupKeyId,
            UnixTime.FromNanoseconds(raw.MadeAt), raw.KeyCount, raw.VersionCount, raw.LeftOutCount, raw.ByteCount);
    }

    private async Task<CopyRow> VerifyAsync(RawCopy raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, "bundle_copies", $"{raw.Bundle}/{raw.Destination}", raw.Revision, cancellationToken);
        return new CopyRow(
            raw.Bundle, raw.Destination, (CopyState)raw.State, UnixTime.FromNanoseconds(raw.VerifiedAt), UnixTime.FromNanoseconds(raw.CheckedAt), raw.Revision);
    }

    private sealed record RawSum(long Count, long Changes);

    private sealed record RawBundle(
        long Sequence, byte[] BundleId, long Kind, string FileName, byte[] Digest, byte[] PreviousDigest, byte[] SigningKeyDigest, string BackupKeyId,
        long MadeAt, long KeyCount, long VersionCount, long LeftOutCount, long ByteCount, long Revision, byte[] Mac)
    {
        public static RawBundle Of(BundleRow row) => new(
            row.Sequence, row.BundleId, (long)row.Kind, row.FileName, row.Digest, row.PreviousDigest, row.SigningKeyDigest, row.BackupKeyId,
            UnixTime.Nanoseconds(row.MadeTime), row.KeyCount, row.VersionCount, row.LeftOutCount, row.ByteCount, 1, []);

        public byte[] Canonical() => RowMac.Row("bundles").AddInt64(Sequence).AddBytes(BundleId).AddInt64(Kind).AddString(FileName).AddBytes(Digest)
            .AddBytes(PreviousDigest).AddBytes(SigningKeyDigest).AddString(BackupKeyId).AddInt64(MadeAt).AddInt64(KeyCount).AddInt64(VersionCount)
            .AddInt64(LeftOutCount).AddInt64(ByteCount).AddInt64(Revision).ToArray();
    }

    private sealed record RawCopy(long Bundle, string Destination, long State, long VerifiedAt, long CheckedAt, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row("bundle_copies").AddInt64(Bundle).AddString(Destination).AddInt64(State).AddInt64(VerifiedAt)
            .AddInt64(CheckedAt).AddInt64(Revision).ToArray();
    }

    private sealed record RawSegment(long Bundle, long Ordinal, byte[] VersionIds, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row("bundle_segments").AddInt64(Bundle).AddInt64(Ordinal).AddBytes(VersionIds).AddInt64(Revision).ToArray();

        public bool Contains(KeyVersionId version)
        {
            var (low, high) = (0, VersionIds.Length / KeyVersionId.Length);
            while (low < high)
            {
                var middle = (low + high) / 2;
                var id = new KeyVersionId(BinaryPrimitives.ReadUInt64BigEndian(VersionIds.AsSpan(middle * KeyVersionId.Length)));
                if (id == version)
                {
                    return true;
                }

                (low, high) = id < version ? (middle + 1, high) : (low, middle);
            }

            return false;
        }
    }
}
