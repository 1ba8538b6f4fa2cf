using System.Data.Common;
using Dapper;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.AccessReviews;

/// <summary>SQL of reviews. Every row is verified when read and MACed when written; docs/spec/store.md has the canonical bytes.</summary>
internal sealed class AccessReviewTable(RowAuthenticator rows)
{
    public const string Name = "access_reviews";

    private const string Columns =
        """
        SELECT id AS Id, started_by AS StartedBy, started_at AS StartedAt, due_at AS DueAt, announced_at AS AnnouncedAt, roster_sha256 AS RosterSha256, scope AS Scope,
               state AS State, closed_by AS ClosedBy, closed_at AS ClosedAt, note AS Note, revision AS Revision, mac AS Mac
        FROM access_reviews
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<AccessReviewRow>(Name, Columns, "id", "@Id", row => new DecidingRow(row.IdText, row.Revision, row.Canonical()))];

    private readonly RegisterState _state = new(rows);

    /// <summary>All there ever were, the newest first, compared with the register: one that is missing would suspend nobody.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<IReadOnlyList<AccessReviewRow>> ListAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        var all = (await connection.QueryAsync<AccessReviewRow>($"{Columns} ORDER BY started_at DESC, id", transaction: transaction)).AsList();
        foreach (var row in all)
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, Name, row.IdText, row.Revision, cancellationToken);
        }

        await _state.VerifyAsync(connection, Name, all.Count, all.Sum(each => each.Revision), cancellationToken);
        return all;
    }

    /// <summary>The open one; null says that none was found, not that there is none: <see cref="ListAsync"/> does.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<AccessReviewRow?> FindOpenAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        var row = await connection.QuerySingleOrDefaultAsync<AccessReviewRow>($"{Columns} WHERE state = {AccessReviewRow.Open}", transaction: transaction);
        if (row is not null)
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, Name, row.IdText, row.Revision, cancellationToken);
        }

        return row;
    }

    /// <summary>Writes a state: revision 1 is a new row, any other one higher than the row's.</summary>
    public async Task WriteAsync(IStoreTransaction transaction, AccessReviewRow row)
    {
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), Name, row.IdText, row.Revision);
        var written = await transaction.Connection.ExecuteAsync(
            row.Revision == 1
                ? """
                  INSERT INTO access_reviews (id, started_by, started_at, due_at, announced_at, roster_sha256, scope, state, closed_by, closed_at, note, revision, mac)
                  VALUES (@Id, @StartedBy, @StartedAt, @DueAt, @AnnouncedAt, @RosterSha256, @Scope, @State, @ClosedBy, @ClosedAt, @Note, @Revision, @Mac)
                  """
                : """
                  UPDATE access_reviews SET announced_at = @AnnouncedAt, state = @State, closed_by = @ClosedBy, closed_at = @ClosedAt, note = @Note, revision = @Revision, mac = @Mac
                  WHERE id = @Id AND revision = @Revision - 1
                  """,
            row, transaction.Transaction);
        if (written != 1)
        {
            throw new StoreTamperedException(Name, row.IdText, "the row is not at the revision that the service read");
        }

        await (row.Revision == 1 ? _state.AddedAsync(transaction, Name) : _state.ChangedAsync(transaction, Name));
    }
}
