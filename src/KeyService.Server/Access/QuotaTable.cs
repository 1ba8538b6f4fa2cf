using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Access;

/// <summary>What servers have reserved of a grant's quota in its newest window: an upper bound of what was done.</summary>
internal sealed record QuotaCount(ulong GrantId, QuotaMeasure Measure, QuotaWindow Window, DateTimeOffset WindowStart, long Reserved, long Revision);

/// <summary>SQL of what is reserved of quotas. Rows are MACed and on record.</summary>
internal sealed class QuotaTable(RowAuthenticator rows)
{
    private const string Table = "quota_counts";

    private const string Columns =
        """
        SELECT grant_id AS GrantId, measure AS Measure, quota_window AS QuotaWindow, window_start AS WindowStart, reserved AS Reserved, revision AS Revision, mac AS Mac
        FROM quota_counts
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
    [
        DecidingTable.Of<Row>(
            Table, Columns, "grant_id, measure, quota_window", "@GrantId, @Measure, @QuotaWindow", row => new DecidingRow(row.IdText, row.Revision, row.Canonical())),
    ];

    /// <summary>The count of a quota; one with revision 0 while nothing was reserved.</summary>
    /// <exception cref="StoreTamperedException">The row was changed or put back.</exception>
    public async Task<QuotaCount> GetAsync(IStoreTransaction transaction, ulong grantId, Quota quota)
    {
        var row = await transaction.Connection.QuerySingleOrDefaultAsync<Row>(
            Columns + " WHERE grant_id = @grant AND measure = @measure AND quota_window = @window",
            new { grant = unchecked((long)grantId), measure = (long)quota.Measure, window = (long)quota.Window }, transaction.Transaction);
        if (row is null)
        {
            return new QuotaCount(grantId, quota.Measure, quota.Window, DateTimeOffset.UnixEpoch, 0, 0);
        }

        await rows.VerifyAsync(row.Canonical(), row.Mac, Table, row.IdText, row.Revision, CancellationToken.None);
        return new QuotaCount(grantId, quota.Measure, quota.Window, UnixTime.FromNanoseconds(row.WindowStart), row.Reserved, row.Revision);
    }

    /// <summary>Writes a count with a revision one higher than the row's.</summary>
    public async Task PutAsync(IStoreTransaction transaction, QuotaCount count)
    {
        var row = new Row(
            unchecked((long)count.GrantId), (long)count.Measure, (long)count.Window, UnixTime.Nanoseconds(count.WindowStart), count.Reserved, count.Revision, []);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO quota_counts (grant_id, measure, quota_window, window_start, reserved, revision, mac)
            VALUES (@GrantId, @Measure, @QuotaWindow, @WindowStart, @Reserved, @Revision, @Mac)
            ON CONFLICT (grant_id, measure, quota_window)
            DO UPDATE SET window_start = @WindowStart, reserved = @Reserved, revision = @Revision, mac = @Mac
            """,
            row with { Mac = await rows.SealAsync(transaction, row.Canonical(), Table, row.IdText, row.Revision) }, transaction.Transaction);
    }

    private sealed record Row(long GrantId, long Measure, long QuotaWindow, long WindowStart, long Reserved, long Revision, byte[] Mac)
    {
        public string IdText => $"{unchecked((ulong)GrantId):x16}/{Measure}/{QuotaWindow}";

        public byte[] Canonical() => RowMac.Row(Table)
            .AddInt64(GrantId).AddInt64(Measure).AddInt64(QuotaWindow).AddInt64(WindowStart).AddInt64(Reserved).AddInt64(Revision).ToArray();
    }
}
