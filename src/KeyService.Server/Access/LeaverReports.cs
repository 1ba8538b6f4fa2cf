using Google.Protobuf.WellKnownTypes;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Search;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using AuditRecord = KeyService.Crypto.AuditRecord;

namespace KeyService.Server.Access;

/// <summary>
/// Leavers (R4): when the personnel office says somebody left, when the service disabled them, when they last called. The times are those of the audit log,
/// asked by its index.
/// </summary>
internal sealed class LeaverReports(AuditSearch search)
{
    private const int MaxLeavers = 1000;
    private const int PageSize = 100;

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static IReadOnlyList<(string Principal, DateTimeOffset LeftTime)> Require(ReportLeaversRequest request)
    {
        if (request.Leavers.Count is 0 or > MaxLeavers)
        {
            throw Refusal.InvalidArgument("leavers", $"1 to {MaxLeavers}");
        }

        var leavers = new List<(string, DateTimeOffset)>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var leaver in request.Leavers)
        {
            var field = $"leavers[{leavers.Count}]";
            if (!Server.Access.Principal.IsName(leaver.Principal) || !seen.Add(leaver.Principal))
            {
                throw Refusal.InvalidArgument($"{field}.principal", "a principal's name, none twice");
            }

            leavers.Add((leaver.Principal, leaver.LeftTime is { Seconds: > 0, Nanos: >= 0 and < 1_000_000_000 } time && time.Seconds < 253_402_300_800
                ? time.ToDateTimeOffset()
                : throw Refusal.InvalidArgument($"{field}.left_time", "a time after 1970")));
        }

        return leavers;
    }

    public async Task<ReportLeaversResponse> ReportAsync(
        IReadOnlyList<(string Principal, DateTimeOffset LeftTime)> leavers, AccessSnapshot snapshot, CancellationToken cancellationToken)
    {
        var disabled = await DisableTimesAsync(cancellationToken);
        var response = new ReportLeaversResponse();
        foreach (var (name, leftTime) in leavers)
        {
            var report = new LeaverReport { Principal = name, LeftTime = Timestamp.FromDateTimeOffset(leftTime) };
            response.Reports.Add(report);
            if (!snapshot.Principals.TryGetValue(name, out var principal))
            {
                continue;
            }

            report.Registered = true;
            report.Disabled = principal.Disabled;
            report.DisableTime = principal.Disabled && disabled.TryGetValue(name, out var at) ? Timestamp.FromDateTimeOffset(at) : null;
            if (await LastUseAsync(name, cancellationToken) is { } used)
            {
                report.LastUseTime = Timestamp.FromDateTimeOffset(used);
                report.UsedAfterLeaving = used > leftTime;
            }
        }

        return response;
    }

    private static AuditQuery Query(string? principal, params AuditEvent[] events) =>
        new(principal, Key: null, events, Outcome: null, ContextDigest: null, From: long.MinValue, Until: long.MaxValue);

    private async Task<DateTimeOffset?> LastUseAsync(string name, CancellationToken cancellationToken)
    {
        await foreach (var record in FindAsync(Query(name), 1, cancellationToken))
        {
            // What the service does by itself about somebody (ends a session of theirs) belongs to no call.
            if (!string.IsNullOrEmpty(record.TraceId))
            {
                return UnixTime.FromNanoseconds(record.TimeUnixNanoseconds);
            }
        }

        return null;
    }

    // The record of a disabling is the administrator's, the manager's, or the service's own; whom it was about stands in its detail, or in the rows that
    // it changed: of principals nothing else changes.
    private async Task<Dictionary<string, DateTimeOffset>> DisableTimesAsync(CancellationToken cancellationToken)
    {
        const string About = "principal ";
        var times = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);
        var query = Query(principal: null, AuditEvent.PrincipalDisabled, AuditEvent.AccessAttested, AuditEvent.AccessSuspendedAtDeadline);
        await foreach (var record in FindAsync(query, PageSize, cancellationToken))
        {
            if (record.EventId != (ushort)AuditEvent.PrincipalDisabled)
            {
                foreach (var change in record.Changes.Where(change => change.Table == AccessRows.PrincipalsTable))
                {
                    times[change.RowId] = UnixTime.FromNanoseconds(record.TimeUnixNanoseconds);
                }
            }
            else if (record.Outcome == AuditOutcome.Success && record.Detail is { } detail && detail.StartsWith(About, StringComparison.Ordinal))
            {
                // The latest first: of one disabled again, which changes nothing, the first one counts.
                times[detail[About.Length..]] = UnixTime.FromNanoseconds(record.TimeUnixNanoseconds);
            }
        }

        return times;
    }

    private async IAsyncEnumerable<AuditRecord> FindAsync(
        AuditQuery query, int size, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<int, long>? below = null;
        while (true)
        {
            var page = await search.PageAsync(query, below, size, cancellationToken);
            foreach (var hit in page.Hits)
            {
                yield return hit.Record;
            }

            if (page.IsLast)
            {
                yield break;
            }

            below = page.Below;
        }
    }
}
