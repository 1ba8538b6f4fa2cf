using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Sessions;

/// <summary>
/// SQL of sessions. Every row is verified when read and MACed when written; docs/spec/store.md has the canonical bytes. No register counts them: a row
/// that is gone is a session that is refused, and none outlives 8 hours.
/// </summary>
internal sealed class SessionTable(RowAuthenticator rows)
{
    public const string Name = "person_sessions";

    private const string Columns =
        """
        SELECT token_hash AS TokenHash, principal AS Principal, binding AS Binding, opened_at AS OpenedAt, last_used_at AS LastUsedAt, proven_at AS ProvenAt,
               ended_at AS EndedAt, end_reason AS EndReason, ended_by AS EndedBy, revision AS Revision, mac AS Mac
        FROM person_sessions
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Raw>(Name, Columns, "token_hash", "@TokenHash", raw => new DecidingRow(raw.TokenHash, raw.Revision, raw.Canonical()))];

    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<PersonSession?> FindAsync(DbConnection connection, DbTransaction? transaction, string tokenHash, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<Raw>($"{Columns} WHERE token_hash = @tokenHash", new { tokenHash }, transaction);
        return raw is null ? null : await VerifiedAsync(raw, cancellationToken);
    }

    /// <summary>
    /// Sessions that nobody ended, the oldest first; some of them may be idle for too long. What is older than a session may be is over, and is not read:
    /// most end by nobody coming back.
    /// </summary>
    /// <param name="principal">Empty for everybody's.</param>
    /// <param name="now">The time.</param>
    /// <exception cref="StoreTamperedException">A row was changed.</exception>
    public async Task<IReadOnlyList<PersonSession>> ListOpenAsync(
        DbConnection connection, DbTransaction? transaction, string principal, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var all = new List<PersonSession>();
        foreach (var raw in await connection.QueryAsync<Raw>(
            $"{Columns} WHERE ended_at IS NULL AND opened_at > @since AND (@principal = '' OR principal = @principal) ORDER BY opened_at, token_hash",
            new { principal, since = UnixTime.Nanoseconds(now - SessionLimits.Longest) }, transaction))
        {
            all.Add(await VerifiedAsync(raw, cancellationToken));
        }

        return all;
    }

    /// <summary>Writes a state: revision 1 is a new row, any other one higher than the row's.</summary>
    public async Task WriteAsync(IStoreTransaction transaction, PersonSession session)
    {
        var raw = Raw.Of(session);
        raw = raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), Name, raw.TokenHash, raw.Revision) };
        var written = await transaction.Connection.ExecuteAsync(
            session.Revision == 1
                ? """
                  INSERT INTO person_sessions (token_hash, principal, binding, opened_at, last_used_at, proven_at, ended_at, end_reason, ended_by, revision, mac)
                  VALUES (@TokenHash, @Principal, @Binding, @OpenedAt, @LastUsedAt, @ProvenAt, @EndedAt, @EndReason, @EndedBy, @Revision, @Mac)
                  """
                : """
                  UPDATE person_sessions SET last_used_at = @LastUsedAt, proven_at = @ProvenAt, ended_at = @EndedAt, end_reason = @EndReason, ended_by = @EndedBy,
                      revision = @Revision, mac = @Mac
                  WHERE token_hash = @TokenHash AND revision = @Revision - 1
                  """,
            raw, transaction.Transaction);
        if (written != 1)
        {
            throw new StoreTamperedException(Name, session.Id, "the row is not at the revision that the service wrote");
        }
    }

    /// <summary>Ends every open session of a person; gives their number.</summary>
    public async Task<int> EndAllAsync(IStoreTransaction transaction, string principal, SessionEnd end, string? by)
    {
        var open = await ListOpenAsync(transaction.Connection, transaction.Transaction, principal, transaction.Time, CancellationToken.None);
        foreach (var session in open)
        {
            await WriteAsync(transaction, session.Over(end, transaction.Time, by));
        }

        return open.Count;
    }

    private async Task<PersonSession> VerifiedAsync(Raw raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, Name, raw.TokenHash, raw.Revision, cancellationToken);
        return raw.ToSession();
    }

    private sealed record Raw(
        string TokenHash, string Principal, string Binding, long OpenedAt, long LastUsedAt, long ProvenAt, long? EndedAt, long? EndReason, string? EndedBy,
        long Revision, byte[] Mac)
    {
        public static Raw Of(PersonSession session) => new(
            session.TokenHash, session.Principal, session.Binding, UnixTime.Nanoseconds(session.OpenTime), UnixTime.Nanoseconds(session.LastUseTime),
            UnixTime.Nanoseconds(session.ProofTime), UnixTime.Nanoseconds(session.EndTime), (long?)session.End, session.EndedBy, session.Revision, []);

        public byte[] Canonical() => RowMac.Row(Name).AddString(TokenHash).AddString(Principal).AddString(Binding).AddInt64(OpenedAt).AddInt64(LastUsedAt)
            .AddInt64(ProvenAt).AddInt64(EndedAt).AddInt64(EndReason).AddString(EndedBy).AddInt64(Revision).ToArray();

        public PersonSession ToSession() => new()
        {
            TokenHash = TokenHash,
            Principal = Principal,
            Binding = Binding,
            OpenTime = UnixTime.FromNanoseconds(OpenedAt),
            LastUseTime = UnixTime.FromNanoseconds(LastUsedAt),
            ProofTime = UnixTime.FromNanoseconds(ProvenAt),
            EndTime = UnixTime.FromNanoseconds(EndedAt),
            End = (SessionEnd?)EndReason,
            EndedBy = EndedBy,
            Revision = Revision,
        };
    }
}
