using System.Data.Common;
using Dapper;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Detection;

/// <summary>SQL of findings. Every row is verified when read and MACed when written; a register counts them.</summary>
internal sealed class FindingTable(RowAuthenticator rows)
{
    public const string Name = "findings";

    private const string Columns =
        """
        SELECT id AS Id, rule AS Rule, subject AS Subject, message AS Message, slot AS Slot, sequence AS Sequence, recorded_at AS RecordedAt,
               made_at AS MadeAt, month AS Month, assignee AS Assignee, assigned_at AS AssignedAt, disposition AS Disposition, note AS Note,
               closed_by AS ClosedBy, closed_at AS ClosedAt, revision AS Revision, mac AS Mac
        FROM findings
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<FindingRow>(Name, Columns, "id", "@Id", row => new DecidingRow(row.IdText, row.Revision, row.Canonical()))];

    private readonly RegisterState _state = new(rows);

    /// <summary>Writes a finding, unless it stands there already.</summary>
    public async Task InsertAsync(IStoreTransaction transaction, FindingRow row)
    {
        if (await FindAsync(transaction.Connection, transaction.Transaction, row.Id, CancellationToken.None) is not null)
        {
            return;
        }

        row.Mac = await rows.SealAsync(transaction, row.Canonical(), Name, row.IdText, row.Revision);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO findings (id, rule, subject, message, slot, sequence, recorded_at, made_at, month, assignee, assigned_at, disposition, note,
                                  closed_by, closed_at, revision, mac)
            VALUES (@Id, @Rule, @Subject, @Message, @Slot, @Sequence, @RecordedAt, @MadeAt, @Month, @Assignee, @AssignedAt, @Disposition, @Note,
                    @ClosedBy, @ClosedAt, @Revision, @Mac)
            """,
            row, transaction.Transaction);
        await _state.AddedAsync(transaction, Name);
    }

    /// <summary>Writes a row that this change has read and altered, as its next revision.</summary>
    public async Task UpdateAsync(IStoreTransaction transaction, FindingRow row)
    {
        row.Revision++;
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), Name, row.IdText, row.Revision);
        var written = await transaction.Connection.ExecuteAsync(
            """
            UPDATE findings SET assignee = @Assignee, assigned_at = @AssignedAt, disposition = @Disposition, note = @Note, closed_by = @ClosedBy,
                closed_at = @ClosedAt, revision = @Revision, mac = @Mac
            WHERE id = @Id AND revision = @Revision - 1
            """,
            row, transaction.Transaction);
        if (written != 1)
        {
            throw new StoreTamperedException(Name, row.IdText, "the row is not at the revision that the service read");
        }

        await _state.ChangedAsync(transaction, Name);
    }

    public async Task<FindingRow?> FindAsync(DbConnection connection, DbTransaction? transaction, long id, CancellationToken cancellationToken) =>
        await connection.QuerySingleOrDefaultAsync<FindingRow>($"{Columns} WHERE id = @id", new { id }, transaction) is { } row
            ? await VerifiedAsync(row, cancellationToken) : null;

    /// <summary>
    /// All that nobody has closed, the oldest first. That no row is missing is seen by the register's count; that none was made to look closed,
    /// by verifying every row there is once, and from then on each that is no longer open.
    /// </summary>
    /// <param name="known">Ids that were open before; null verifies the whole table.</param>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<IReadOnlyList<FindingRow>> ListOpenAsync(DbConnection connection, IEnumerable<long>? known, CancellationToken cancellationToken)
    {
        const string order = "ORDER BY made_at, id";
        var found = await VerifiedAsync(
            await connection.QueryAsync<FindingRow>(known is null ? $"{Columns} {order}" : $"{Columns} WHERE closed_at IS NULL {order}"), cancellationToken);
        var open = found.Where(each => each.IsOpen).ToList();
        foreach (var id in known?.Except(open.Select(each => each.Id)) ?? [])
        {
            await FindAsync(connection, null, id, cancellationToken);
        }

        await VerifyCountAsync(connection, cancellationToken);
        return open;
    }

    /// <summary>All of a month, by their ids.</summary>
    public async Task<IReadOnlyList<FindingRow>> ListMonthAsync(DbConnection connection, DbTransaction? transaction, string month, CancellationToken cancellationToken) =>
        await VerifiedAsync(await connection.QueryAsync<FindingRow>($"{Columns} WHERE month = @month ORDER BY id", new { month }, transaction), cancellationToken);

    /// <summary>All whose record was made in a stretch of time, by that time.</summary>
    /// <param name="from">First instant, Unix nanoseconds.</param>
    /// <param name="until">First instant after.</param>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<IReadOnlyList<FindingRow>> ListRecordedAsync(DbConnection connection, long from, long until, CancellationToken cancellationToken)
    {
        var found = await VerifiedAsync(
            await connection.QueryAsync<FindingRow>($"{Columns} WHERE recorded_at >= @from AND recorded_at < @until ORDER BY recorded_at, id", new { from, until }), cancellationToken);
        await VerifyCountAsync(connection, cancellationToken);
        return found;
    }

    /// <summary>A page, the newest first.</summary>
    /// <param name="after">The last one of the page before, or null.</param>
    public async Task<IReadOnlyList<FindingRow>> PageAsync(
        DbConnection connection, bool openOnly, DetectionRule? rule, (long MadeAt, long Id)? after, int size, CancellationToken cancellationToken) =>
        await VerifiedAsync(
            await connection.QueryAsync<FindingRow>(
                $"""
                 {Columns} WHERE (@rule = 0 OR rule = @rule){(openOnly ? " AND closed_at IS NULL" : "")}
                    AND (made_at < @madeAt OR (made_at = @madeAt AND id > @id))
                 ORDER BY made_at DESC, id LIMIT @size
                 """,
                new { rule = (long)(rule ?? 0), madeAt = after?.MadeAt ?? long.MaxValue, id = after?.Id ?? 0, size }),
            cancellationToken);

    public async Task VerifyCountAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var (count, changes) = await connection.QuerySingleAsync<(long, long)>("SELECT COUNT(*), CAST(COALESCE(SUM(revision), 0) AS BIGINT) FROM findings");
        await _state.VerifyAsync(connection, Name, count, changes, cancellationToken);
    }

    private async Task<IReadOnlyList<FindingRow>> VerifiedAsync(IEnumerable<FindingRow> found, CancellationToken cancellationToken)
    {
        var verified = new List<FindingRow>();
        foreach (var row in found)
        {
            verified.Add(await VerifiedAsync(row, cancellationToken));
        }

        return verified;
    }

    private async Task<FindingRow> VerifiedAsync(FindingRow row, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(row.Canonical(), row.Mac, Name, row.IdText, row.Revision, cancellationToken);
        return row;
    }
}
