using System.Data.Common;
using System.Globalization;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.BreakGlass;

/// <summary>SQL of uses of break-glass. Every row is verified when read and MACed when written; docs/spec/store.md has the canonical bytes.</summary>
internal sealed class BreakGlassTable(RowAuthenticator rows)
{
    public const string Name = "break_glass_uses";

    private const string Columns =
        """
        SELECT id AS Id, principal AS Principal, reason AS Reason, sealed AS Sealed, binding AS Binding, state AS State, asked_at AS AskedAt, confirmed_by AS ConfirmedBy,
               opened_at AS OpenedAt, ends_at AS EndsAt, reviewed_by AS ReviewedBy, reviewed_at AS ReviewedAt, verdict AS Verdict, note AS Note, revision AS Revision, mac AS Mac
        FROM break_glass_uses
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Raw>(Name, Columns, "id", "@Id", raw => new DecidingRow(raw.RowId, raw.Revision, raw.Canonical()))];

    private readonly RegisterState _state = new(rows);

    /// <summary>All uses there ever were, the oldest first, compared with the register: one that is missing would need no review.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<IReadOnlyList<BreakGlassUse>> ListAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        var all = new List<BreakGlassUse>();
        foreach (var raw in await connection.QueryAsync<Raw>($"{Columns} ORDER BY asked_at, id", transaction: transaction))
        {
            await rows.VerifyAsync(raw.Canonical(), raw.Mac, Name, raw.RowId, raw.Revision, cancellationToken);
            all.Add(raw.ToUse());
        }

        await _state.VerifyAsync(connection, Name, all.Count, all.Sum(each => each.Revision), cancellationToken);
        return all;
    }

    public async Task<BreakGlassUse?> FindAsync(DbConnection connection, DbTransaction? transaction, ulong id, CancellationToken cancellationToken)
    {
        if (await connection.QuerySingleOrDefaultAsync<Raw>($"{Columns} WHERE id = @id", new { id = unchecked((long)id) }, transaction) is not { } raw)
        {
            return null;
        }

        await rows.VerifyAsync(raw.Canonical(), raw.Mac, Name, raw.RowId, raw.Revision, cancellationToken);
        return raw.ToUse();
    }

    /// <summary>Writes a state: revision 1 is a new row, any other one higher than the row's.</summary>
    public async Task WriteAsync(IStoreTransaction transaction, BreakGlassUse use)
    {
        var raw = Raw.Of(use);
        raw = raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), Name, raw.RowId, raw.Revision) };
        var written = await transaction.Connection.ExecuteAsync(
            use.Revision == 1
                ? """
                  INSERT INTO break_glass_uses (id, principal, reason, sealed, binding, state, asked_at, confirmed_by, opened_at, ends_at, reviewed_by, reviewed_at, verdict, note,
                                                revision, mac)
                  VALUES (@Id, @Principal, @Reason, @Sealed, @Binding, @State, @AskedAt, @ConfirmedBy, @OpenedAt, @EndsAt, @ReviewedBy, @ReviewedAt, @Verdict, @Note, @Revision, @Mac)
                  """
                : """
                  UPDATE break_glass_uses SET state = @State, confirmed_by = @ConfirmedBy, opened_at = @OpenedAt, ends_at = @EndsAt, reviewed_by = @ReviewedBy,
                      reviewed_at = @ReviewedAt, verdict = @Verdict, note = @Note, revision = @Revision, mac = @Mac
                  WHERE id = @Id AND revision = @Revision - 1
                  """,
            raw, transaction.Transaction);
        if (written != 1)
        {
            throw new StoreTamperedException(Name, raw.RowId, "the row is not at the revision that the service wrote");
        }

        await (use.Revision == 1 ? _state.AddedAsync(transaction, Name) : _state.ChangedAsync(transaction, Name));
    }

    private sealed record Raw(
        long Id, string Principal, string Reason, long Sealed, string Binding, long State, long AskedAt, string? ConfirmedBy, long? OpenedAt, long? EndsAt,
        string? ReviewedBy, long? ReviewedAt, long? Verdict, string? Note, long Revision, byte[] Mac)
    {
        public string RowId => Id.ToString("x16", CultureInfo.InvariantCulture);

        public static Raw Of(BreakGlassUse use) => new(
            unchecked((long)use.Id), use.Principal, use.Reason, use.Sealed ? 1 : 0, use.Binding, (long)use.State, UnixTime.Nanoseconds(use.AskTime), use.ConfirmedBy,
            UnixTime.Nanoseconds(use.OpenTime), UnixTime.Nanoseconds(use.EndTime), use.ReviewedBy, UnixTime.Nanoseconds(use.ReviewTime), (long?)use.Verdict, use.Note,
            use.Revision, []);

        public byte[] Canonical() => RowMac.Row(Name).AddInt64(Id).AddString(Principal).AddString(Reason).AddInt64(Sealed).AddString(Binding).AddInt64(State)
            .AddInt64(AskedAt).AddString(ConfirmedBy).AddInt64(OpenedAt).AddInt64(EndsAt).AddString(ReviewedBy).AddInt64(ReviewedAt).AddInt64(Verdict).AddString(Note)
            .AddInt64(Revision).ToArray();

        public BreakGlassUse ToUse() => new()
        {
            Id = unchecked((ulong)Id),
            Principal = Principal,
            Reason = Reason,
            Sealed = Sealed != 0,
            Binding = Binding,
            State = (BreakGlassState)State,
            AskTime = UnixTime.FromNanoseconds(AskedAt),
            ConfirmedBy = ConfirmedBy,
            OpenTime = UnixTime.FromNanoseconds(OpenedAt),
            EndTime = UnixTime.FromNanoseconds(EndsAt),
            ReviewedBy = ReviewedBy,
            ReviewTime = UnixTime.FromNanoseconds(ReviewedAt),
            Verdict = (BreakGlassVerdict?)Verdict,
            Note = Note,
            Revision = Revision,
        };
    }
}
