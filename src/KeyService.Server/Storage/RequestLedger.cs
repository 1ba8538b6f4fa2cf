using Dapper;
using KeyService.Crypto;

namespace KeyService.Server.Storage;

/// <summary>What became of a request id when it was looked up.</summary>
internal enum RequestFinding
{
    /// <summary>Not seen in the last 24 hours: do it.</summary>
    New,

    /// <summary>The same request was answered: answer the same, do nothing.</summary>
    Repeated,

    /// <summary>The id came with another method or request (REQUEST_ID_REUSED).</summary>
    Reused,
}

/// <summary>
/// Remembers for 24 hours what mutations answered, per principal, so that a repeated one does nothing twice. Used inside the change itself:
/// the writer runs changes one after another, so two copies of a request that arrive together are seen in turn.
/// </summary>
internal sealed class RequestLedger(RowAuthenticator rows)
{
    /// <summary>How long an answer is kept.</summary>
    public static readonly TimeSpan Retention = TimeSpan.FromHours(24);

    private const string Table = "requests";

    /// <summary>Looks a request up; <c>Response</c> is what was answered when it is repeated, else empty.</summary>
    /// <param name="requestDigest">SHA-256 of the request's bytes.</param>
    /// <exception cref="StoreTamperedException">The row was changed outside the service.</exception>
    public async Task<(RequestFinding Finding, byte[] Response)> FindAsync(
        IStoreTransaction transaction, string principal, string requestId, string method, byte[] requestDigest)
    {
        var row = await transaction.Connection.QuerySingleOrDefaultAsync<Row>(
            """
            SELECT method AS Method, request_digest AS RequestDigest, response AS Response, created_at AS CreatedAt, mac AS Mac
            FROM requests WHERE principal = @principal AND request_id = @requestId
            """,
            new { principal, requestId }, transaction.Transaction);
        if (row is null || row.CreatedAt <= Horizon(transaction))
        {
            return (RequestFinding.New, []);
        }

        await rows.VerifyAsync(
            Canonical(principal, requestId, row.Method, row.RequestDigest, row.Response, row.CreatedAt), row.Mac, Table, requestId, CancellationToken.None);
        return row.Method == method && row.RequestDigest.AsSpan().SequenceEqual(requestDigest)
            ? (RequestFinding.Repeated, row.Response)
            : (RequestFinding.Reused, []);
    }

    /// <summary>Keeps an answer, and drops those older than 24 hours.</summary>
    public async Task RememberAsync(
        IStoreTransaction transaction, string principal, string requestId, string method, byte[] requestDigest, byte[] response)
    {
        var createdAt = UnixTime.Nanoseconds(transaction.Time);
        var mac = await rows.MacAsync(Canonical(principal, requestId, method, requestDigest, response, createdAt), CancellationToken.None);
        await transaction.Connection.ExecuteAsync(
            "DELETE FROM requests WHERE created_at <= @horizon", new { horizon = Horizon(transaction) }, transaction.Transaction);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO requests (principal, request_id, method, request_digest, response, created_at, revision, mac)
            VALUES (@principal, @requestId, @method, @requestDigest, @response, @createdAt, 1, @mac)
            """,
            new { principal, requestId, method, requestDigest, response, createdAt, mac }, transaction.Transaction);
    }

    private static long Horizon(IStoreTransaction transaction) => UnixTime.Nanoseconds(transaction.Time - Retention);

    private static byte[] Canonical(string principal, string requestId, string method, byte[] digest, byte[] response, long createdAt) =>
        RowMac.Row(Table).AddString(principal).AddString(requestId).AddString(method).AddBytes(digest).AddBytes(response)
            .AddInt64(createdAt).AddInt64(1).ToArray();

    private sealed record Row(string Method, byte[] RequestDigest, byte[] Response, long CreatedAt, byte[] Mac);
}
