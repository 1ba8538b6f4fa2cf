using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Keys;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Holdings;

/// <summary>
/// SQL of holdings and their counts. Every row is verified when it is read and MACed when it is written; whoever decides by what is not
/// there asks <see cref="VerifyRegistersAsync"/> in the same read. Canonical bytes are the table's columns in the order of the schema,
/// without <c>mac</c>.
/// </summary>
internal sealed class HoldingTables(RowAuthenticator rows)
{
    public const string HoldingsTable = "holdings";
    public const string VersionsTable = "holding_versions";

    private const string HoldingColumns =
        """
        name AS Name, kind AS Kind, key_pattern AS KeyPattern, location AS Location, owner AS Owner, details AS Details,
        write_once_until AS WriteOnceUntil, created_at AS CreatedAt, retired AS Retired, scan_id AS ScanId, scan_began_at AS ScanBeganAt,
        scanned_from AS ScannedFrom, scanned_at AS ScannedAt, unknown_items AS UnknownItems, revision AS Revision, mac AS Mac
        """;

    private const string VersionColumns =
        """
        holding AS Holding, version_id AS VersionId, items AS Items, most_items AS MostItems, reported_at AS ReportedAt,
        revision AS Revision, mac AS Mac
        """;

    /// <summary>How the scrub reads the tables.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
    [
        DecidingTable.Of<RawHolding>(
            HoldingsTable, $"SELECT {HoldingColumns} FROM holdings", "name", "@Name",
            raw => new DecidingRow(raw.Name, raw.Revision, raw.Canonical())),
        DecidingTable.Of<RawVersion>(
            VersionsTable, $"SELECT {VersionColumns} FROM holding_versions", "holding, version_id", "@Holding, @VersionId",
            raw => new DecidingRow(raw.RowId, raw.Revision, raw.Canonical())),
    ];

    private readonly RegisterState _registers = new(rows);

    /// <summary>Compares the holdings and counts that are there with those that were ever made.</summary>
    /// <exception cref="StoreTamperedException">Some are missing or were put back.</exception>
    public async Task VerifyRegistersAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        foreach (var table in new[] { HoldingsTable, VersionsTable })
        {
            var sum = await connection.QuerySingleAsync<RegisterSum>(
                $"SELECT COUNT(*) AS Count, CAST(COALESCE(SUM(revision), 0) AS BIGINT) AS Changes FROM {table}");
            await _registers.VerifyAsync(connection, table, sum.Count, sum.Changes, cancellationToken);
        }
    }

    /// <summary>A holding by name; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<Holding?> FindAsync(DbConnection connection, DbTransaction? transaction, string name, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<RawHolding>(
            $"SELECT {HoldingColumns} FROM holdings WHERE name = @name", new { name }, transaction);
        return raw is null ? null : await VerifyAsync(raw, cancellationToken);
    }

    /// <summary>Holdings after a name, in byte order.</summary>
    public async Task<IReadOnlyList<Holding>> ListAsync(DbConnection connection, string after, int limit, CancellationToken cancellationToken)
    {
        var list = new List<Holding>();
        foreach (var raw in await connection.QueryAsync<RawHolding>(
            $"SELECT {HoldingColumns} FROM holdings WHERE name > @after ORDER BY name LIMIT @limit", new { after, limit }))
        {
            list.Add(await VerifyAsync(raw, cancellationToken));
        }

        return list;
    }

    public async Task InsertAsync(IStoreTransaction transaction, Holding holding)
    {
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO holdings (name, kind, key_pattern, location, owner, details, write_once_until, created_at, retired, scan_id,
                scan_began_at, scanned_from, scanned_at, unknown_items, revision, mac)
            VALUES (@Name, @Kind, @KeyPattern, @Location, @Owner, @Details, @WriteOnceUntil, @CreatedAt, @Retired, @ScanId,
                @ScanBeganAt, @ScannedFrom, @ScannedAt, @UnknownItems, @Revision, @Mac)
            """,
            await SealAsync(transaction, RawHolding.Of(holding)), transaction.Transaction);
        await _registers.AddedAsync(transaction, HoldingsTable);
    }

    /// <summary>Writes a state with a revision one higher than the row's.</summary>
    public async Task UpdateAsync(IStoreTransaction transaction, Holding holding)
    {
        await transaction.Connection.ExecuteAsync(
            """
            UPDATE holdings SET retired = @Retired, scan_id = @ScanId, scan_began_at = @ScanBeganAt, scanned_from = @ScannedFrom,
                scanned_at = @ScannedAt, unknown_items = @UnknownItems, revision = @Revision, mac = @Mac
            WHERE name = @Name AND revision = @Revision - 1
            """,
            await SealAsync(transaction, RawHolding.Of(holding)), transaction.Transaction);
        await _registers.ChangedAsync(transaction, HoldingsTable);
    }

    /// <summary>Counts of one holding, by version.</summary>
    public Task<IReadOnlyList<HoldingVersion>> VersionsOfAsync(
        DbConnection connection, DbTransaction? transaction, string holding, CancellationToken cancellationToken) =>
        VersionsAsync(connection, transaction, "holding = @holding ORDER BY version_id", new { holding }, cancellationToken);

    /// <summary>Counts of one version, by holding; retired holdings too.</summary>
    public Task<IReadOnlyList<HoldingVersion>> HoldingsOfAsync(
        DbConnection connection, KeyVersionId version, CancellationToken cancellationToken) =>
        VersionsAsync(connection, null, "version_id = @id ORDER BY holding", new { id = KeyTables.Signed(version) }, cancellationToken);

    /// <summary>Inserts a count of revision 1, or puts it in the place of the earlier one.</summary>
    public async Task PutVersionAsync(IStoreTransaction transaction, HoldingVersion count)
    {
        var raw = new RawVersion(
            count.Holding, KeyTables.Signed(count.Version), count.Items, count.MostItems, UnixTime.Nanoseconds(count.ReportedAt), count.Revision, []);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO holding_versions (holding, version_id, items, most_items, reported_at, revision, mac)
            VALUES (@Holding, @VersionId, @Items, @MostItems, @ReportedAt, @Revision, @Mac)
            ON CONFLICT (holding, version_id) DO UPDATE SET items = @Items, most_items = @MostItems, reported_at = @ReportedAt,
                revision = @Revision, mac = @Mac
            """,
            raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), VersionsTable, raw.RowId, raw.Revision) }, transaction.Transaction);
        await (count.Revision == 1 ? _registers.AddedAsync(transaction, VersionsTable) : _registers.ChangedAsync(transaction, VersionsTable));
    }

    /// <summary>Which of these ids are key versions; not verified, only whether something is counted as known.</summary>
    public static async Task<IReadOnlySet<KeyVersionId>> KnownAsync(IStoreTransaction transaction, IEnumerable<KeyVersionId> versions)
    {
        var known = new HashSet<KeyVersionId>();
        foreach (var version in versions)
        {
            if (await transaction.Connection.ExecuteScalarAsync<long>(
                "SELECT COUNT(*) FROM key_versions WHERE id = @id", new { id = KeyTables.Signed(version) }, transaction.Transaction) > 0)
            {
                known.Add(version);
            }
        }

        return known;
    }

    private async Task<IReadOnlyList<HoldingVersion>> VersionsAsync(
        DbConnection connection, DbTransaction? transaction, string where, object values, CancellationToken cancellationToken)
    {
        var list = new List<HoldingVersion>();
        foreach (var raw in await connection.QueryAsync<RawVersion>(
            $"SELECT {VersionColumns} FROM holding_versions WHERE {where}", values, transaction))
        {
            await rows.VerifyAsync(raw.Canonical(), raw.Mac, VersionsTable, raw.RowId, raw.Revision, cancellationToken);
            list.Add(new HoldingVersion(
                raw.Holding, KeyTables.Unsigned(raw.VersionId), raw.Items, raw.MostItems, UnixTime.FromNanoseconds(raw.ReportedAt), raw.Revision));
        }

        return list;
    }

    private async Task<Holding> VerifyAsync(RawHolding raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, HoldingsTable, raw.Name, raw.Revision, cancellationToken);
        return raw.ToHolding();
    }

    private async Task<RawHolding> SealAsync(IStoreTransaction transaction, RawHolding raw) =>
        raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), HoldingsTable, raw.Name, raw.Revision) };

    private sealed record RegisterSum(long Count, long Changes);

    private sealed record RawVersion(
        string Holding, long VersionId, long Items, long MostItems, long ReportedAt, long Revision, byte[] Mac)
    {
        public string RowId => $"{Holding}:{KeyTables.Unsigned(VersionId)}";

        public byte[] Canonical() => RowMac.Row(VersionsTable).AddString(Holding).AddInt64(VersionId).AddInt64(Items).AddInt64(MostItems)
            .AddInt64(ReportedAt).AddInt64(Revision).ToArray();
    }

    private sealed record RawHolding(
        string Name, long Kind, string KeyPattern, string Location, string Owner, byte[] Details, long? WriteOnceUntil, long CreatedAt,
        long Retired, long? ScanId, long? ScanBeganAt, long? ScannedFrom, long? ScannedAt, long UnknownItems, long Revision, byte[] Mac)
    {
        public static RawHolding Of(Holding holding) => new(
            holding.Name, (long)holding.Kind, holding.KeyPattern.Text, holding.Location, holding.Owner, holding.Details,
            UnixTime.Nanoseconds(holding.WriteOnceUntil), UnixTime.Nanoseconds(holding.CreateTime), holding.Retired ? 1 : 0,
            unchecked((long?)holding.ScanId), UnixTime.Nanoseconds(holding.ScanBeganAt), UnixTime.Nanoseconds(holding.ScannedFrom),
            UnixTime.Nanoseconds(holding.ScannedAt), holding.UnknownItems, holding.Revision, []);

        public byte[] Canonical() => RowMac.Row(HoldingsTable).AddString(Name).AddInt64(Kind).AddString(KeyPattern).AddString(Location)
            .AddString(Owner).AddBytes(Details).AddInt64(WriteOnceUntil).AddInt64(CreatedAt).AddInt64(Retired).AddInt64(ScanId)
            .AddInt64(ScanBeganAt).AddInt64(ScannedFrom).AddInt64(ScannedAt).AddInt64(UnknownItems).AddInt64(Revision).ToArray();

        /// <summary>Only of a verified row.</summary>
        public Holding ToHolding() => new(
            Name, (HoldingKind)Kind,
            Access.KeyPattern.TryParse(KeyPattern, out var pattern)
                ? pattern
                : throw new StoreOpenException($"Holding {Name} holds the unknown key pattern {KeyPattern}: it was written by a newer KeyService."),
            Location, Owner, Details, UnixTime.FromNanoseconds(WriteOnceUntil), UnixTime.FromNanoseconds(CreatedAt), Retired != 0,
            unchecked((ulong?)ScanId), UnixTime.FromNanoseconds(ScanBeganAt), UnixTime.FromNanoseconds(ScannedFrom),
            UnixTime.FromNanoseconds(ScannedAt), UnknownItems, Revision);
    }
}
