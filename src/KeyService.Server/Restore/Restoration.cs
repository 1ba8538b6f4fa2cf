using System.Data.Common;
using System.Security.Cryptography;
using Dapper;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Hsm.Restore;
using KeyService.Server.Keys;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Restore;

/// <summary>
/// The restore that made this store: from which bundles, on which token, and how far it has come. Its row moves with every page of keys in the same
/// transaction, so a restore that was killed goes on where it was, and nothing is taken twice.
/// </summary>
/// <param name="LogId">Name of the new log.</param>
/// <param name="TokenId">Serial of the token whose root wraps everything in the store.</param>
/// <param name="Bundles">Digests of the bundles, in order.</param>
/// <param name="LastSequence">Number of the newest: the next bundle has a greater one.</param>
/// <param name="ReachTime">When the newest was begun: what was made later is lost.</param>
/// <param name="Place">Where it goes on; null before the first page.</param>
/// <param name="KeyCount">Keys in the store.</param>
/// <param name="VersionCount">Versions in the store.</param>
/// <param name="RepeatedCount">Versions that a bundle held again.</param>
/// <param name="FinishTime">Null while the installation does not exist.</param>
/// <param name="Revision">0 before it is stored.</param>
internal sealed record Restoration(
    byte[] InstallationId, byte[] LogId, string TokenId, IReadOnlyList<byte[]> Bundles, long LastSequence, DateTimeOffset ReachTime,
    DateTimeOffset BeginTime, RestorePlace? Place, long KeyCount, long VersionCount, long RepeatedCount, DateTimeOffset? FinishTime, long Revision)
{
    private const string Table = "restorations";

    private const string Columns =
        """
        SELECT id AS Id, installation_id AS InstallationId, log_id AS LogId, token_id AS TokenId, bundles AS Bundles, last_sequence AS LastSequence,
            reaches_to AS ReachesTo, begun_at AS BegunAt, place_bundle AS PlaceBundle, place_key AS PlaceKey, place_version AS PlaceVersion,
            key_count AS KeyCount, version_count AS VersionCount, repeated_count AS RepeatedCount, finished_at AS FinishedAt, revision AS Revision, mac AS Mac
        FROM restorations
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Row>(Table, Columns, "id", "@Id", row => new DecidingRow("1", row.Revision, row.Canonical()))];

    /// <summary>The digest of the newest bundle.</summary>
    public byte[] LastDigest => Bundles[^1];

    public bool IsOf(BundleChain chain) =>
        Bundles.Count == chain.Bundles.Count && Bundles.Zip(chain.Bundles).All(pair => pair.Second.Digest.SequenceEqual(pair.First));

    /// <summary>Not verified: what a store says before its integrity key is there.</summary>
    public static Task<Restoration?> PeekAsync(IStore store, CancellationToken cancellationToken) =>
        store.ReadAsync(async connection => (await SelectAsync(connection, null))?.ToRestoration(), cancellationToken);

    /// <summary>Null when the store was made otherwise.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public static async Task<Restoration?> ReadAsync(
        DbConnection connection, DbTransaction? transaction, RowAuthenticator rows, CancellationToken cancellationToken)
    {
        if (await SelectAsync(connection, transaction) is not { } row)
        {
            return null;
        }

        await rows.VerifyAsync(row.Canonical(), row.Mac, Table, "1", row.Revision, cancellationToken);
        return row.ToRestoration();
    }

    /// <summary>Writes this state with a revision one higher, in the place of the one it was made from.</summary>
    /// <exception cref="StoreUnavailableException">Another process restores into the same store.</exception>
    public async Task<Restoration> WriteAsync(IStoreTransaction transaction, RowAuthenticator rows)
    {
        var next = this with { Revision = Revision + 1 };
        var row = Row.Of(next);
        row = row with { Mac = await rows.SealAsync(transaction, row.Canonical(), Table, "1", row.Revision) };
        var written = await transaction.Connection.ExecuteAsync(
            Revision == 0
                ? """
                INSERT INTO restorations (id, installation_id, log_id, token_id, bundles, last_sequence, reaches_to, begun_at, place_bundle, place_key, place_version,
                    key_count, version_count, repeated_count, finished_at, revision, mac)
                VALUES (@Id, @InstallationId, @LogId, @TokenId, @Bundles, @LastSequence, @ReachesTo, @BegunAt, @PlaceBundle, @PlaceKey, @PlaceVersion,
                    @KeyCount, @VersionCount, @RepeatedCount, @FinishedAt, @Revision, @Mac)
                """
                : """
                UPDATE restorations SET place_bundle = @PlaceBundle, place_key = @PlaceKey, place_version = @PlaceVersion, key_count = @KeyCount,
                    version_count = @VersionCount, repeated_count = @RepeatedCount, finished_at = @FinishedAt, revision = @Revision, mac = @Mac
                WHERE id = @Id AND revision = @Revision - 1
                """,
            row, transaction.Transaction);
        return written == 1 ? next : throw new StoreUnavailableException("Another restore writes into the same store. End one of them.");
    }

    private static Task<Row?> SelectAsync(DbConnection connection, DbTransaction? transaction) =>
        connection.QuerySingleOrDefaultAsync<Row>($"{Columns} WHERE id = 1", transaction: transaction)!;

    private sealed record Row(
        long Id, byte[] InstallationId, byte[] LogId, string TokenId, byte[] Bundles, long LastSequence, long ReachesTo, long BegunAt, long? PlaceBundle,
        string? PlaceKey, long? PlaceVersion, long KeyCount, long VersionCount, long RepeatedCount, long? FinishedAt, long Revision, byte[] Mac)
    {
        public static Row Of(Restoration from) => new(
            1, from.InstallationId, from.LogId, from.TokenId, [.. from.Bundles.SelectMany(digest => digest)], from.LastSequence,
            UnixTime.Nanoseconds(from.ReachTime), UnixTime.Nanoseconds(from.BeginTime), from.Place?.Bundle, from.Place?.Key,
            from.Place is { } place ? KeyTables.Signed(place.Version) : null, from.KeyCount, from.VersionCount, from.RepeatedCount,
            UnixTime.Nanoseconds(from.FinishTime), from.Revision, []);

        public Restoration ToRestoration() => new(
            InstallationId, LogId, TokenId, [.. Bundles.Chunk(SHA256.HashSizeInBytes)], LastSequence, UnixTime.FromNanoseconds(ReachesTo),
            UnixTime.FromNanoseconds(BegunAt),
            PlaceBundle is { } bundle ? new RestorePlace((int)bundle, PlaceKey ?? "", KeyTables.Unsigned(PlaceVersion ?? 0)) : null,
            KeyCount, VersionCount, RepeatedCount, UnixTime.FromNanoseconds(FinishedAt), Revision);

        public byte[] Canonical() => RowMac.Row(Table).AddInt64(1).AddBytes(InstallationId).AddBytes(LogId).AddString(TokenId).AddBytes(Bundles)
            .AddInt64(LastSequence).AddInt64(ReachesTo).AddInt64(BegunAt).AddInt64(PlaceBundle).AddString(PlaceKey).AddInt64(PlaceVersion)
            .AddInt64(KeyCount).AddInt64(VersionCount).AddInt64(RepeatedCount).AddInt64(FinishedAt).AddInt64(Revision).ToArray();
    }
}
