using System.Data.Common;
using System.Globalization;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.BreakGlass;

/// <summary>SQL of sealed envelopes. Every row is verified when read and MACed when written; docs/spec/store.md has the canonical bytes.</summary>
internal sealed class EnvelopeTable(RowAuthenticator rows)
{
    public const string Name = "break_glass_envelopes";

    private const string Columns =
        """
        SELECT id AS Id, made_by AS MadeBy, made_at AS MadeAt, first AS First, second AS Second, wrong_attempts AS WrongAttempts, ended_at AS EndedAt, revision AS Revision, mac AS Mac
        FROM break_glass_envelopes
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Raw>(Name, Columns, "id", "@Id", raw => new DecidingRow(raw.RowId, raw.Revision, raw.Canonical()))];

    private readonly RegisterState _state = new(rows);

    /// <summary>The set that can be used, or null; compared with the register, so that a used one was not made to look unused by removing it.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<SealedEnvelopes?> FindUsableAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        var all = new List<SealedEnvelopes>();
        foreach (var raw in await connection.QueryAsync<Raw>(Columns, transaction: transaction))
        {
            await rows.VerifyAsync(raw.Canonical(), raw.Mac, Name, raw.RowId, raw.Revision, cancellationToken);
            all.Add(raw.ToEnvelopes());
        }

        await _state.VerifyAsync(connection, Name, all.Count, all.Sum(each => each.Revision), cancellationToken);
        return all.SingleOrDefault(each => each.EndTime is null);
    }

    /// <summary>Writes a state: revision 1 is a new row, any other one higher than the row's.</summary>
    public async Task WriteAsync(IStoreTransaction transaction, SealedEnvelopes envelopes)
    {
        var raw = new Raw(
            unchecked((long)envelopes.Id), envelopes.MadeBy, UnixTime.Nanoseconds(envelopes.MakeTime), envelopes.First, envelopes.Second, envelopes.WrongAttempts,
            UnixTime.Nanoseconds(envelopes.EndTime), envelopes.Revision, []);
        raw = raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), Name, raw.RowId, raw.Revision) };
        var written = await transaction.Connection.ExecuteAsync(
            envelopes.Revision == 1
                ? """
                  INSERT INTO break_glass_envelopes (id, made_by, made_at, first, second, wrong_attempts, ended_at, revision, mac)
                  VALUES (@Id, @MadeBy, @MadeAt, @First, @Second, @WrongAttempts, @EndedAt, @Revision, @Mac)
                  """
                : """
                  UPDATE break_glass_envelopes SET wrong_attempts = @WrongAttempts, ended_at = @EndedAt, revision = @Revision, mac = @Mac
                  WHERE id = @Id AND revision = @Revision - 1
                  """,
            raw, transaction.Transaction);
        if (written != 1)
        {
            throw new StoreTamperedException(Name, raw.RowId, "the row is not at the revision that the service wrote");
        }

        await (envelopes.Revision == 1 ? _state.AddedAsync(transaction, Name) : _state.ChangedAsync(transaction, Name));
    }

    private sealed record Raw(long Id, string MadeBy, long MadeAt, byte[] First, byte[] Second, long WrongAttempts, long? EndedAt, long Revision, byte[] Mac)
    {
        public string RowId => Id.ToString("x16", CultureInfo.InvariantCulture);

        public byte[] Canonical() => RowMac.Row(Name).AddInt64(Id).AddString(MadeBy).AddInt64(MadeAt).AddBytes(First).AddBytes(Second).AddInt64(WrongAttempts)
            .AddInt64(EndedAt).AddInt64(Revision).ToArray();

        public SealedEnvelopes ToEnvelopes() => new()
        {
            Id = unchecked((ulong)Id), MadeBy = MadeBy, MakeTime = UnixTime.FromNanoseconds(MadeAt), First = First, Second = Second, WrongAttempts = WrongAttempts,
            EndTime = UnixTime.FromNanoseconds(EndedAt), Revision = Revision,
        };
    }
}
