using System.Buffers.Binary;
using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Crypto.Approvals;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Approvals;

/// <summary>
/// SQL of requests that wait for a quorum. Every row is verified when it is read and MACed when it is written. Canonical bytes are the columns in the
/// order of docs/spec/store.md, without <c>mac</c>.
/// </summary>
internal sealed class ApprovalTable(RowAuthenticator rows)
{
    private const string Table = "approvals";

    private const string Columns =
        """
        SELECT id AS Id, principal AS Principal, method AS Method, request_digest AS RequestDigest, request AS Request, state AS State,
            created_at AS CreatedAt, expires_at AS ExpiresAt, decided_at AS DecidedAt, message AS Message, decisions AS Decisions, revision AS Revision, mac AS Mac
        FROM approvals
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Raw>(Table, Columns, "id", "@Id", raw => new DecidingRow(ApprovalRow.TextOf(unchecked((ulong)raw.Id)), raw.Revision,
            raw.Canonical()))];

    private readonly RegisterState _register = new(rows);

    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<ApprovalRow?> FindAsync(DbConnection connection, DbTransaction? transaction, ulong id, CancellationToken cancellationToken) =>
        (await SelectAsync(connection, transaction, "WHERE id = @id", new { id = unchecked((long)id) }, cancellationToken)).SingleOrDefault();

    /// <param name="digest">Of the canonical request.</param>
    public async Task<ApprovalRow?> FindAsync(IStoreTransaction transaction, byte[] digest) =>
        (await SelectAsync(transaction.Connection, transaction.Transaction, "WHERE request_digest = @digest", new { digest },
            CancellationToken.None)).SingleOrDefault();

    /// <summary>
    /// What this requester asked for by this method, did not do, and has not expired, the newest first; compared with the register, so that none was taken
    /// away.
    /// </summary>
    public async Task<IReadOnlyList<ApprovalRow>> ListNotUsedAsync(IStoreTransaction transaction, string requester, string method)
    {
        var (count, changes) = await transaction.Connection.QuerySingleAsync<(long, long)>(
            "SELECT COUNT(*), CAST(COALESCE(SUM(revision), 0) AS BIGINT) FROM approvals", null, transaction.Transaction);
        await _register.VerifyAsync(transaction.Connection, Table, count, changes, CancellationToken.None);
        return await SelectAsync(
            transaction.Connection, transaction.Transaction,
            "WHERE principal = @requester AND method = @method AND state <> 4 AND expires_at > @now ORDER BY created_at DESC, id",
            new { requester, method, now = UnixTime.Nanoseconds(transaction.Time) }, CancellationToken.None);
    }

    /// <summary>Requests after an id (signed), in its order.</summary>
    public Task<IReadOnlyList<ApprovalRow>> ListAsync(DbConnection connection, long after, int limit, CancellationToken cancellationToken) =>
        SelectAsync(connection, null, "WHERE id > @after ORDER BY id LIMIT @limit", new { after, limit }, cancellationToken);

    /// <summary>
    /// The latest time at which something was asked for or decided; null when nothing was. Not verified: it can only make a roster wait.
    /// </summary>
    public static async Task<DateTimeOffset?> LatestAsync(IStoreTransaction transaction) => UnixTime.FromNanoseconds(
        await transaction.Connection.ExecuteScalarAsync<long?>(
            "SELECT MAX(CASE WHEN decided_at > created_at THEN decided_at ELSE created_at END) FROM approvals", null, transaction.Transaction));

    public async Task InsertAsync(IStoreTransaction transaction, ApprovalRow approval)
    {
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO approvals (id, principal, method, request_digest, request, state, created_at, expires_at, decided_at, message, decisions, revision, mac)
            VALUES (@Id, @Principal, @Method, @RequestDigest, @Request, @State, @CreatedAt, @ExpiresAt, @DecidedAt, @Message, @Decisions, @Revision, @Mac)
            """,
            await SealAsync(transaction, approval), transaction.Transaction);
        await _register.AddedAsync(transaction, Table);
    }

    /// <summary>Writes a state with a revision one higher than the row's.</summary>
    public async Task UpdateAsync(IStoreTransaction transaction, ApprovalRow approval)
    {
        var changed = await transaction.Connection.ExecuteAsync(
            """
            UPDATE approvals SET state = @State, decided_at = @DecidedAt, decisions = @Decisions, revision = @Revision, mac = @Mac
            WHERE id = @Id AND revision = @Revision - 1
            """,
            await SealAsync(transaction, approval), transaction.Transaction);
        if (changed != 1)
        {
            // Another server decided or used it in the same moment: this change is undone, and the caller asks again.
            throw new StoreUnavailableException("Another server changed the approval meanwhile.");
        }

        await _register.ChangedAsync(transaction, Table);
    }

    private async Task<IReadOnlyList<ApprovalRow>> SelectAsync(
        DbConnection connection, DbTransaction? transaction, string where, object values, CancellationToken cancellationToken)
    {
        var list = new List<ApprovalRow>();
        foreach (var raw in await connection.QueryAsync<Raw>($"{Columns} {where}", values, transaction))
        {
            var id = ApprovalRow.TextOf(unchecked((ulong)raw.Id));
            await rows.VerifyAsync(raw.Canonical(), raw.Mac, Table, id, raw.Revision, cancellationToken);
            list.Add(raw.ToRow() ?? throw new StoreTamperedException(Table, id, "its documents do not parse"));
        }

        return list;
    }

    private async Task<Raw> SealAsync(IStoreTransaction transaction, ApprovalRow approval)
    {
        var raw = Raw.Of(approval);
        return raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), Table, approval.IdText, raw.Revision) };
    }

    private sealed record Raw(
        long Id, string Principal, string Method, byte[] RequestDigest, byte[] Request, long State, long CreatedAt, long ExpiresAt, long? DecidedAt,
        byte[] Message, byte[] Decisions, long Revision, byte[] Mac)
    {
        public byte[] Canonical() =>
            RowMac.Row(Table).AddInt64(Id).AddString(Principal).AddString(Method).AddBytes(RequestDigest).AddBytes(Request).AddInt64(State)
            .AddInt64(CreatedAt).AddInt64(ExpiresAt).AddInt64(DecidedAt).AddBytes(Message).AddBytes(Decisions).AddInt64(Revision).ToArray();

        public static Raw Of(ApprovalRow row) => new(
            unchecked((long)row.Id), row.Request.Requester, row.Request.Method, row.Request.Digest, row.Request.ToArray(), (long)row.State,
            UnixTime.Nanoseconds(row.Request.Created), UnixTime.Nanoseconds(row.Request.Expires), UnixTime.Nanoseconds(row.DecideTime), row.Message,
            Join(row.Decisions), row.Revision, []);

        public ApprovalRow? ToRow() => ApprovalRequest.TryParse(Request, out var request) && TrySplit(Decisions, out var decisions)
            ? new ApprovalRow(unchecked((ulong)Id), request!, Message, decisions, (ApprovalState)State, UnixTime.FromNanoseconds(DecidedAt), Revision)
            : null;

        // Each document behind its length in four bytes.
        private static byte[] Join(IReadOnlyList<Approval> decisions)
        {
            using var joined = new MemoryStream();
            Span<byte> length = stackalloc byte[4];
            foreach (var document in decisions.Select(each => each.ToArray()))
            {
                BinaryPrimitives.WriteInt32BigEndian(length, document.Length);
                joined.Write(length);
                joined.Write(document);
            }

            return joined.ToArray();
        }

        private static bool TrySplit(byte[] joined, out List<Approval> decisions)
        {
            decisions = [];
            for (var rest = joined.AsSpan(); !rest.IsEmpty;)
            {
                if (rest.Length < 4 || BinaryPrimitives.ReadInt32BigEndian(rest) is var length && (length < 0 || length > rest.Length - 4)
                    || !Approval.TryParse(rest.Slice(4, length), out var decision))
                {
                    return false;
                }

                decisions.Add(decision!);
                rest = rest[(4 + length)..];
            }

            return true;
        }
    }
}
