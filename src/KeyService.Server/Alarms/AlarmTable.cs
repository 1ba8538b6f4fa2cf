using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Alarms;

/// <summary>SQL of alarms. Every row is verified when read and MACed when written; docs/spec/store.md has the canonical bytes.</summary>
internal sealed class AlarmTable(RowAuthenticator rows)
{
    public const string Name = "alarms";

    private const string Columns =
        """
        SELECT id AS Id, kind AS Kind, subject AS Subject, message AS Message, severity AS Severity, raised_at AS RaisedAt,
               last_raised_at AS LastRaisedAt, repeats AS Repeats, cleared_at AS ClearedAt, acknowledged_at AS AcknowledgedAt,
               acknowledged_by AS AcknowledgedBy, acknowledged_note AS AcknowledgedNote, revision AS Revision, mac AS Mac
        FROM alarms
        """;

    private const string Open = "(cleared_at IS NULL OR acknowledged_at IS NULL)";

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<AlarmRow>(Name, Columns, "id", "@Id", row => new DecidingRow(row.IdText, row.Revision, row.Canonical()))];

    private readonly RegisterState _state = new(rows);

    /// <summary>
    /// All open alarms. That no row is missing is seen by the register's count; that none was made to look closed, by verifying once every
    /// row there is, and from then on each that is no longer open.
    /// </summary>
    /// <param name="known">
    /// Open alarms that were verified before: a row that is the same is not verified again. Null verifies the whole table.
    /// </param>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<IReadOnlyList<Alarm>> ListOpenAsync(
        DbConnection connection, IReadOnlyDictionary<ulong, Alarm>? known, CancellationToken cancellationToken)
    {
        var alarms = new List<Alarm>();
        foreach (var row in await connection.QueryAsync<AlarmRow>(known is null ? Columns : $"{Columns} WHERE {Open}"))
        {
            var alarm = row.ToAlarm();
            if (known is null || !known.TryGetValue(alarm.Id, out var before) || before != alarm)
            {
                await VerifyAsync(row, cancellationToken);
            }

            if (alarm.IsOpen)
            {
                alarms.Add(alarm);
            }
        }

        foreach (var id in known?.Keys.Except(alarms.Select(alarm => alarm.Id)) ?? [])
        {
            await FindAsync(connection, null, id, cancellationToken);
        }

        var (count, changes) = await connection.QuerySingleAsync<(long, long)>(
            "SELECT COUNT(*), CAST(COALESCE(SUM(revision), 0) AS BIGINT) FROM alarms");
        await _state.VerifyAsync(connection, Name, count, changes, cancellationToken);
        return alarms;
    }

    /// <summary>A page of open alarms: critical ones first, of each the oldest first.</summary>
    /// <param name="after">The last one of the page before, or null.</param>
    public Task<IReadOnlyList<Alarm>> PageOfOpenAsync(DbConnection connection, Alarm? after, int size, CancellationToken cancellationToken) => PageAsync(
        connection,
        $"""
        {Columns} WHERE {Open} AND (@severity = 0 OR severity < @severity
            OR (severity = @severity AND (raised_at > @raisedAt OR (raised_at = @raisedAt AND id > @id))))
        ORDER BY severity DESC, raised_at, id LIMIT @size
        """,
        after, size, cancellationToken);

    /// <summary>A page of all alarms there ever were, the newest first.</summary>
    /// <param name="after">The last one of the page before, or null.</param>
    public Task<IReadOnlyList<Alarm>> PageOfAllAsync(DbConnection connection, Alarm? after, int size, CancellationToken cancellationToken) => PageAsync(
        connection,
        $"""
        {Columns} WHERE @severity = 0 OR raised_at < @raisedAt OR (raised_at = @raisedAt AND id > @id)
        ORDER BY raised_at DESC, id LIMIT @size
        """,
        after, size, cancellationToken);

    public async Task<Alarm?> FindAsync(DbConnection connection, DbTransaction? transaction, ulong id, CancellationToken cancellationToken) =>
        await OneAsync(
            await connection.QuerySingleOrDefaultAsync<AlarmRow>($"{Columns} WHERE id = @id", new { id = unchecked((long)id) }, transaction),
            cancellationToken);

    /// <summary>The open alarm of this kind and subject.</summary>
    public async Task<Alarm?> FindOpenAsync(IStoreTransaction transaction, AlarmKind kind, string subject) => await OneAsync(
        await transaction.Connection.QuerySingleOrDefaultAsync<AlarmRow>(
            $"{Columns} WHERE kind = @kind AND subject = @subject AND {Open}", new { kind = (long)kind, subject }, transaction.Transaction),
        CancellationToken.None);

    /// <exception cref="AlarmChangedElsewhereException">Another server opened one of this kind and subject.</exception>
    public async Task InsertAsync(IStoreTransaction transaction, Alarm alarm)
    {
        var row = await SealAsync(transaction, alarm);
        var written = await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO alarms (id, kind, subject, message, severity, raised_at, last_raised_at, repeats, cleared_at,
                                acknowledged_at, acknowledged_by, acknowledged_note, revision, mac)
            VALUES (@Id, @Kind, @Subject, @Message, @Severity, @RaisedAt, @LastRaisedAt, @Repeats, @ClearedAt,
                    @AcknowledgedAt, @AcknowledgedBy, @AcknowledgedNote, @Revision, @Mac)
            ON CONFLICT DO NOTHING
            """,
            row, transaction.Transaction);
        Expect(written);
        await _state.AddedAsync(transaction, Name);
    }

    /// <summary>Writes a state with a revision one higher than the row's.</summary>
    /// <exception cref="AlarmChangedElsewhereException">Another server changed the row.</exception>
    public async Task UpdateAsync(IStoreTransaction transaction, Alarm alarm)
    {
        var row = await SealAsync(transaction, alarm);
        Expect(await transaction.Connection.ExecuteAsync(
            """
            UPDATE alarms SET message = @Message, severity = @Severity, last_raised_at = @LastRaisedAt, repeats = @Repeats, cleared_at = @ClearedAt,
                acknowledged_at = @AcknowledgedAt, acknowledged_by = @AcknowledgedBy, acknowledged_note = @AcknowledgedNote,
                revision = @Revision, mac = @Mac
            WHERE id = @Id AND revision = @Revision - 1
            """,
            row, transaction.Transaction));
        await _state.ChangedAsync(transaction, Name);
    }

    private static void Expect(int written)
    {
        if (written != 1)
        {
            throw new AlarmChangedElsewhereException();
        }
    }

    private async Task<IReadOnlyList<Alarm>> PageAsync(DbConnection connection, string sql, Alarm? after, int size, CancellationToken cancellationToken)
    {
        var page = new List<Alarm>();
        foreach (var row in await connection.QueryAsync<AlarmRow>(sql, new
        {
            severity = (long)(after?.Severity ?? 0),
            raisedAt = after is null ? 0 : UnixTime.Nanoseconds(after.RaiseTime),
            id = unchecked((long)(after?.Id ?? 0)),
            size,
        }))
        {
            await VerifyAsync(row, cancellationToken);
            page.Add(row.ToAlarm());
        }

        return page;
    }

    private async Task<Alarm?> OneAsync(AlarmRow? row, CancellationToken cancellationToken)
    {
        if (row is null)
        {
            return null;
        }

        await VerifyAsync(row, cancellationToken);
        return row.ToAlarm();
    }

    private ValueTask VerifyAsync(AlarmRow row, CancellationToken cancellationToken) =>
        rows.VerifyAsync(row.Canonical(), row.Mac, Name, row.IdText, row.Revision, cancellationToken);

    private async Task<AlarmRow> SealAsync(IStoreTransaction transaction, Alarm alarm)
    {
        var row = AlarmRow.Of(alarm);
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), Name, row.IdText, row.Revision);
        return row;
    }
}

/// <summary>Another server changed the same alarm at the same moment: what was decided has to be decided anew.</summary>
internal sealed class AlarmChangedElsewhereException() : Exception("Another server changed this alarm at the same moment.");
