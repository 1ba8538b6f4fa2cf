using System.Data.Common;
using System.Globalization;
using Dapper;
using KeyService.Crypto;
using KeyService.Crypto.Logs;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Audit.Retention;

/// <summary>The file in which a month of the log is kept, as whoever made and verified it says.</summary>
/// <param name="DirectorySize">Entries of the directory log at whose checkpoint the export in the file ends.</param>
/// <param name="Location">Where it lies, in words.</param>
/// <param name="Length">Bytes of the encrypted file.</param>
/// <param name="Sha256">Of the encrypted file, 32 bytes.</param>
internal sealed record ArchiveFile(long DirectorySize, string Location, long Length, byte[] Sha256);

/// <summary>A month of one slot's log that stands in a file for keeping. MACed and on record.</summary>
/// <param name="First">Number of the first record.</param>
/// <param name="Frontier">Of the log up to the last record of the month.</param>
/// <param name="DeleteTime">Since when the slot's log begins behind it; null while its records are kept here.</param>
internal sealed record AuditArchive(
    AuditMonth Month, int Slot, long First, MerkleFrontier Frontier, ArchiveFile File, DateTimeOffset RegisterTime, string RegisteredBy,
    DateTimeOffset? DeleteTime, string? DeletedBy, long Revision)
{
    public const string Table = "audit_archives";

    private const string Columns =
        """
        SELECT month AS Month, slot AS Slot, first_sequence AS First, past_sequence AS Past, frontier AS Frontier, directory_size AS DirectorySize,
            location AS Location, file_length AS Length, file_sha256 AS Sha256, registered_at AS RegisteredAt, registered_by AS RegisteredBy,
            deleted_at AS DeletedAt, deleted_by AS DeletedBy, revision AS Revision, mac AS Mac
        FROM audit_archives
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Row>(Table, Columns, "month, slot", "@Month, @Slot", row => new DecidingRow(row.Id, row.Revision, row.Canonical()))];

    /// <summary>Number of the first record behind it.</summary>
    public long Past => Frontier.Size;

    /// <summary>All of them, oldest month first.</summary>
    /// <exception cref="StoreTamperedException">A row was changed outside the service.</exception>
    public static async Task<List<AuditArchive>> ReadAllAsync(
        DbConnection connection, DbTransaction? transaction, RowAuthenticator rows, CancellationToken cancellationToken)
    {
        var archives = new List<AuditArchive>();
        foreach (var row in await connection.QueryAsync<Row>($"{Columns} ORDER BY month, slot", transaction: transaction))
        {
            archives.Add(await row.VerifyAsync(rows, cancellationToken));
        }

        return archives;
    }

    /// <summary>The last one of a slot whose records were deleted, which is where the slot's log begins; null when it begins with its first record.</summary>
    /// <exception cref="StoreTamperedException">The row was changed outside the service.</exception>
    public static async Task<AuditArchive?> ReadLastDeletedAsync(DbConnection connection, RowAuthenticator rows, int slot, CancellationToken cancellationToken) =>
        await connection.QueryFirstOrDefaultAsync<Row>(
            $"{Columns} WHERE slot = @slot AND deleted_at IS NOT NULL ORDER BY month DESC LIMIT 1", new { slot = (long)slot }) is { } row
            ? await row.VerifyAsync(rows, cancellationToken)
            : null;

    /// <summary>The last one of a slot that ends before a record, deleted or not; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed outside the service.</exception>
    public static async Task<AuditArchive?> ReadLastBeforeAsync(
        DbConnection connection, RowAuthenticator rows, int slot, long sequence, CancellationToken cancellationToken) =>
        await connection.QueryFirstOrDefaultAsync<Row>(
            $"{Columns} WHERE slot = @slot AND past_sequence <= @sequence ORDER BY month DESC LIMIT 1", new { slot = (long)slot, sequence }) is { } row
            ? await row.VerifyAsync(rows, cancellationToken)
            : null;

    public async Task InsertAsync(IStoreTransaction transaction, RowAuthenticator rows)
    {
        var row = await SealAsync(transaction, rows);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO audit_archives (month, slot, first_sequence, past_sequence, frontier, directory_size, location, file_length, file_sha256, registered_at,
                registered_by, deleted_at, deleted_by, revision, mac)
            VALUES (@Month, @Slot, @First, @Past, @Frontier, @DirectorySize, @Location, @Length, @Sha256, @RegisteredAt, @RegisteredBy, NULL, NULL, @Revision, @Mac)
            """,
            row, transaction.Transaction);
    }

    /// <summary>From here on the slot's log begins behind it.</summary>
    /// <exception cref="StoreTamperedException">The row is not the one that was read.</exception>
    public async Task DeleteRecordsAsync(IStoreTransaction transaction, RowAuthenticator rows, string deletedBy)
    {
        var row = await (this with { DeleteTime = transaction.Time, DeletedBy = deletedBy, Revision = Revision + 1 }).SealAsync(transaction, rows);
        var changed = await transaction.Connection.ExecuteAsync(
            """
            UPDATE audit_archives SET deleted_at = @DeletedAt, deleted_by = @DeletedBy, revision = @Revision, mac = @Mac
            WHERE month = @Month AND slot = @Slot AND revision = @Revision - 1
            """,
            row, transaction.Transaction);
        if (changed != 1)
        {
            throw new StoreTamperedException(Table, row.Id, "the row is not at the revision that the service wrote");
        }
    }

    private async Task<Row> SealAsync(IStoreTransaction transaction, RowAuthenticator rows)
    {
        var row = new Row(
            Month.Number, Slot, First, Past, Frontier.ToArray(), File.DirectorySize, File.Location, File.Length, File.Sha256, UnixTime.Nanoseconds(RegisterTime),
            RegisteredBy, DeleteTime is { } time ? UnixTime.Nanoseconds(time) : null, DeletedBy, Revision, []);
        return row with { Mac = await rows.SealAsync(transaction, row.Canonical(), Table, row.Id, Revision) };
    }

    private sealed record Row(
        long Month, long Slot, long First, long Past, byte[] Frontier, long DirectorySize, string Location, long Length, byte[] Sha256, long RegisteredAt,
        string RegisteredBy, long? DeletedAt, string? DeletedBy, long Revision, byte[] Mac)
    {
        public string Id => string.Create(CultureInfo.InvariantCulture, $"{Month}/{Slot}");

        public byte[] Canonical() => RowMac.Row(Table).AddInt64(Month).AddInt64(Slot).AddInt64(First).AddInt64(Past).AddBytes(Frontier)
            .AddInt64(DirectorySize).AddString(Location).AddInt64(Length).AddBytes(Sha256).AddInt64(RegisteredAt).AddString(RegisteredBy)
            .AddInt64(DeletedAt).AddString(DeletedBy).AddInt64(Revision).ToArray();

        public async Task<AuditArchive> VerifyAsync(RowAuthenticator rows, CancellationToken cancellationToken)
        {
            await rows.VerifyAsync(Canonical(), Mac, Table, Id, Revision, cancellationToken);
            return MerkleFrontier.TryParse(Past, Frontier, out var frontier)
                ? new AuditArchive(
                    new AuditMonth((int)Month), (int)Slot, First, frontier, new ArchiveFile(DirectorySize, Location, Length, Sha256),
                    UnixTime.FromNanoseconds(RegisteredAt), RegisteredBy, DeletedAt is { } time ? UnixTime.FromNanoseconds(time) : null, DeletedBy, Revision)
                : throw new StoreTamperedException(Table, Id, "the frontier is not that of a tree of this size");
        }
    }
}
