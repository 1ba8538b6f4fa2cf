using Dapper;
using KeyService.Server.Storage;

namespace KeyService.Server.Rotation;

/// <summary>A place in the calendar: nanoseconds of the rotation (or of the warning), then the key's name.</summary>
internal readonly record struct CalendarPlace(long At, string Name)
{
    public static CalendarPlace Start { get; } = new(long.MinValue, "");
}

/// <summary>Counts over all keys; times in nanoseconds.</summary>
internal sealed class RotationCounts
{
    public long Keys { get; init; }

    public long Due { get; init; }

    public long Near { get; init; }

    public long ToPrepare { get; init; }

    public long? OldestDueAt { get; init; }

    public long? NextAt { get; init; }
}

/// <summary>
/// The calendar as the store has it: where to look, in pages, not yet verified. Whoever acts on a name reads the key's row, which is.
/// </summary>
internal sealed class RotationLedger(IStore store)
{
    /// <summary>Keys whose rotation is planned up to <paramref name="until"/>, the most pressing first, after a place.</summary>
    public Task<IReadOnlyList<CalendarPlace>> ListAsync(DateTimeOffset until, CalendarPlace after, int limit, CancellationToken cancellationToken) =>
        QueryAsync(
            """
            SELECT rotate_at AS "At", name AS "Name" FROM keys
            WHERE rotate_at IS NOT NULL AND rotate_at <= @until AND (rotate_at > @At OR (rotate_at = @At AND name > @Name))
            ORDER BY rotate_at, name LIMIT @limit
            """,
            new { until = UnixTime.Nanoseconds(until), after.At, after.Name, limit }, cancellationToken);

    /// <summary>Keys whose time of warning is up to <paramref name="until"/>, after a place.</summary>
    public Task<IReadOnlyList<CalendarPlace>> ListNearAsync(DateTimeOffset until, CalendarPlace after, int limit, CancellationToken cancellationToken) =>
        QueryAsync(
            """
            SELECT warn_at AS "At", name AS "Name" FROM keys
            WHERE warn_at IS NOT NULL AND warn_at <= @until AND (warn_at > @At OR (warn_at = @At AND name > @Name))
            ORDER BY warn_at, name LIMIT @limit
            """,
            new { until = UnixTime.Nanoseconds(until), after.At, after.Name, limit }, cancellationToken);

    /// <summary>Names of keys with fewer than two versions waiting, after a name.</summary>
    public Task<IReadOnlyList<string>> ListToPrepareAsync(string after, int limit, CancellationToken cancellationToken) => NamesAsync(
        "SELECT name FROM keys WHERE waiting_versions < 2 AND name > @after ORDER BY name LIMIT @limit", new { after, limit }, cancellationToken);

    /// <summary>Names of keys of before the lifecycle, which have no times yet.</summary>
    public Task<IReadOnlyList<string>> ListToAdoptAsync(int limit, CancellationToken cancellationToken) => NamesAsync(
        "SELECT name FROM keys WHERE waiting_versions IS NULL ORDER BY name LIMIT @limit", new { limit }, cancellationToken);

    public Task<RotationCounts> CountAsync(DateTimeOffset now, CancellationToken cancellationToken) => store.ReadAsync(
        connection => connection.QuerySingleAsync<RotationCounts>(
            """
            SELECT
                (SELECT COUNT(*) FROM keys) AS "Keys",
                (SELECT COUNT(*) FROM keys WHERE rotate_at <= @now) AS "Due",
                (SELECT COUNT(*) FROM keys WHERE warn_at <= @now AND rotate_at > @now) AS "Near",
                (SELECT COUNT(*) FROM keys WHERE waiting_versions IS NULL OR waiting_versions < 2) AS "ToPrepare",
                (SELECT MIN(rotate_at) FROM keys WHERE rotate_at <= @now) AS "OldestDueAt",
                (SELECT MIN(rotate_at) FROM keys WHERE rotate_at > @now) AS "NextAt"
            """,
            new { now = UnixTime.Nanoseconds(now) }),
        cancellationToken);

    private Task<IReadOnlyList<string>> NamesAsync(string sql, object parameters, CancellationToken cancellationToken) =>
        store.ReadAsync<IReadOnlyList<string>>(async connection => (await connection.QueryAsync<string>(sql, parameters)).AsList(), cancellationToken);

    private Task<IReadOnlyList<CalendarPlace>> QueryAsync(string sql, object parameters, CancellationToken cancellationToken) =>
        store.ReadAsync<IReadOnlyList<CalendarPlace>>(
            async connection => (await connection.QueryAsync<Place>(sql, parameters)).Select(row => new CalendarPlace(row.At, row.Name)).ToList(),
            cancellationToken);

    private sealed record Place(long At, string Name);
}
