using System.Data.Common;
using Dapper;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.AccessReviews;

/// <summary>SQL of what was done about principals in reviews. Every row is verified when read and MACed when written.</summary>
internal sealed class AccessReviewItemTable(RowAuthenticator rows)
{
    public const string Name = "access_review_items";

    private const string Columns =
        """
        SELECT review_id AS ReviewId, principal AS Principal, manager AS Manager, assigned_by AS AssignedBy, assign_reason AS AssignReason, verdict AS Verdict,
               decided_by AS DecidedBy, decided_at AS DecidedAt, note AS Note, access_sha256 AS AccessSha256, revision AS Revision, mac AS Mac
        FROM access_review_items
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
    [
        DecidingTable.Of<AccessReviewItemRow>(
            Name, Columns, "review_id, principal", "@ReviewId, @Principal", row => new DecidingRow(row.IdText, row.Revision, row.Canonical())),
    ];

    private readonly RegisterState _state = new(rows);

    /// <summary>All of a review, by principal. That none is missing the register's count says.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<IReadOnlyDictionary<string, AccessReviewItemRow>> ListAsync(
        DbConnection connection, DbTransaction? transaction, long review, CancellationToken cancellationToken)
    {
        var found = (await connection.QueryAsync<AccessReviewItemRow>($"{Columns} WHERE review_id = @review", new { review }, transaction)).AsList();
        foreach (var row in found)
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, Name, row.IdText, row.Revision, cancellationToken);
        }

        await VerifyCountAsync(connection, transaction, cancellationToken);
        return found.ToDictionary(row => row.Principal, StringComparer.Ordinal);
    }

    /// <summary>What was done about one principal; null when nothing was. That its row is not missing <see cref="VerifyCountAsync"/> says.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<AccessReviewItemRow?> FindAsync(DbConnection connection, DbTransaction? transaction, long review, string principal, CancellationToken cancellationToken)
    {
        var row = await connection.QuerySingleOrDefaultAsync<AccessReviewItemRow>(
            $"{Columns} WHERE review_id = @review AND principal = @principal", new { review, principal }, transaction);
        if (row is not null)
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, Name, row.IdText, row.Revision, cancellationToken);
        }

        return row;
    }

    /// <summary>The sum of all revisions there are, which every change raises.</summary>
    /// <exception cref="StoreTamperedException">Rows are missing or were put back.</exception>
    public async Task<long> VerifyCountAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        var (count, changes) = await connection.QuerySingleAsync<(long, long)>(
            "SELECT COUNT(*), CAST(COALESCE(SUM(revision), 0) AS BIGINT) FROM access_review_items", transaction: transaction);
        await _state.VerifyAsync(connection, Name, count, changes, cancellationToken);
        return changes;
    }

    /// <summary>Writes a state: revision 1 is a new row, any other one higher than the row's.</summary>
    public async Task WriteAsync(IStoreTransaction transaction, AccessReviewItemRow row)
    {
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), Name, row.IdText, row.Revision);
        var written = await transaction.Connection.ExecuteAsync(
            row.Revision == 1
                ? """
                  INSERT INTO access_review_items (review_id, principal, manager, assigned_by, assign_reason, verdict, decided_by, decided_at, note, access_sha256,
                                                   revision, mac)
                  VALUES (@ReviewId, @Principal, @Manager, @AssignedBy, @AssignReason, @Verdict, @DecidedBy, @DecidedAt, @Note, @AccessSha256, @Revision, @Mac)
                  """
                : """
                  UPDATE access_review_items SET manager = @Manager, assigned_by = @AssignedBy, assign_reason = @AssignReason, verdict = @Verdict,
                      decided_by = @DecidedBy, decided_at = @DecidedAt, note = @Note, access_sha256 = @AccessSha256, revision = @Revision, mac = @Mac
                  WHERE review_id = @ReviewId AND principal = @Principal AND revision = @Revision - 1
                  """,
            row, transaction.Transaction);
        if (written != 1)
        {
            throw new StoreTamperedException(Name, row.IdText, "the row is not at the revision that the service read");
        }

        await (row.Revision == 1 ? _state.AddedAsync(transaction, Name) : _state.ChangedAsync(transaction, Name));
    }
}
