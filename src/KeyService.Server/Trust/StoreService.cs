using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Trust;

/// <summary>RPCs of store.proto.</summary>
internal sealed class StoreService(StoreTrust trust, ClockGuard clock, StoreWatch watch, ScrubWorker scrubs) : Wire.Store.StoreBase
{
    private const int MaxReasonLength = 500;

    [Rpc(Permission.ReadAudit, AuditEvent.StoreTrustRead)]
    public override Task<GetStoreTrustResponse> GetStoreTrust(GetStoreTrustRequest request, ServerCallContext context)
    {
        Call.Of(context).Authorize(keyName: null, context: null);
        var response = new GetStoreTrustResponse
        {
            Restored = trust.Difference is not null,
            Difference = trust.Difference ?? "",
            NewestTime = clock.Newest.ToTimestamp(),
        };
        if (clock.Behind is var behind && behind > TimeSpan.Zero)
        {
            response.ClockBehind = behind.ToDuration();
        }

        if (trust.Scrub is { } last)
        {
            response.LastScrub = ToMessage(last.Report);
            response.LastScrubTime = last.Time.ToTimestamp();
        }

        return Task.FromResult(response);
    }

    [Rpc(Permission.ReadAudit, AuditEvent.StoreScrubRequested)]
    public override async Task<ScrubStoreResponse> ScrubStore(ScrubStoreRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var report = await scrubs.RunAsync(call.CancellationToken);
        call.Record.ItemCount = report.Rows;
        call.Record.Detail = report.Summary;
        return new ScrubStoreResponse { Scrub = ToMessage(report) };
    }

    [Rpc(Permission.AcceptStore, AuditEvent.StoreAccepted, Quorum = QuorumRule.OnceInstalled)]
    public override async Task<AcceptStoreResponse> AcceptStore(AcceptStoreRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        if (request.Reason.Length is 0 or > MaxReasonLength || request.Reason.Any(char.IsControl))
        {
            throw Refusal.InvalidArgument("reason", "must be 1 to 500 characters in one line");
        }

        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var accepted = await watch.AcceptAsync(transaction, call.Principal.Name, request.Reason, request.Clock)
                ?? throw new Refusal(
                    Reason.InvalidArgument,
                    clock.Behind > TimeSpan.Zero
                        ? "The database was not put back; the clock is accepted only when that is asked for (--clock)."
                        : "There is nothing to accept: the database is the one that was seen, and the clock is right.");
            call.Record.Detail = $"{(accepted.IsRestored ? $"database as it stands ({trust.Difference}); " : "")}"
                + $"{(accepted.ClockAt is null ? "" : $"clock, which was at {clock.Newest:u}; ")}reason: {request.Reason}";
            return new AcceptStoreResponse { RestoredAccepted = accepted.IsRestored, ClockAccepted = accepted.ClockAt is not null };
        });
        if (response.RestoredAccepted)
        {
            await watch.ClearRestoredAsync();
        }

        return response;
    }

    private static Wire.Scrub ToMessage(ScrubReport report)
    {
        var message = new Wire.Scrub
        {
            RowCount = report.Rows,
            RecordCount = report.Records,
            AccountBegun = report.HasBegun,
            FindingCount = report.FindingCount + report.Logs.Sum(log => log.Findings.Count),
            Duration = report.Duration.ToDuration(),
        };
        message.Findings.AddRange(report.Findings.Select(found => new Wire.ScrubFinding { Table = found.Table, RowId = found.RowId, Finding = found.Finding }));
        message.Findings.AddRange(report.Logs.SelectMany(log => log.Findings.Select(
            found => new Wire.ScrubFinding { Table = "log", RowId = $"{log.Slot}/{found.Sequence}", Finding = found.Finding })));
        return message;
    }
}
