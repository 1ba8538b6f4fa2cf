using System.Globalization;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Crypto.Approvals;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Approval = KeyService.Crypto.Approvals.Approval;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Approvals;

/// <summary>RPCs of approvals.proto.</summary>
internal sealed class ApprovalsService(IStore store, RowAuthenticator rows, ApprovalAdministration administration, PageTokens pages,
    TimeProvider time)
    : Wire.Approvals.ApprovalsBase
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;

    private readonly ApprovalTable _approvals = new(rows);
    private readonly RosterTable _rosters = new(rows);

    [Rpc(Permission.ReadApprovals, AuditEvent.ApprovalsListed)]
    public override async Task<ListApprovalsResponse> ListApprovals(ListApprovalsRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(null, null);
        var size = request.PageSize switch
        {
            0 => DefaultPageSize,
            > 0 and <= MaxPageSize => request.PageSize,
            _ => throw Refusal.InvalidArgument("page_size", "must be 1 to 1,000, or 0 for 100"),
        };
        var filter = request.OpenOnly ? "open" : "";
        var after = request.PageToken.Length == 0
            ? long.MinValue
            : long.Parse(
                await pages.OpenAsync(nameof(ListApprovals), filter, request.PageToken, call.CancellationToken)
                    ?? throw Refusal.InvalidArgument("page_token", "must be the next_page_token of an answer to the same list"),
                CultureInfo.InvariantCulture);
        var (page, chain) = await store.ReadAsync(
            async connection => (await _approvals.ListAsync(connection, after, size + 1, call.CancellationToken),
            await _rosters.LoadAsync(connection, null, call.CancellationToken)),
            call.CancellationToken);
        var now = time.GetUtcNow();
        var inForce = chain?.InForce(now);
        var response = new ListApprovalsResponse();
        response.Approvals.AddRange(page.Take(size).Where(row => !request.OpenOnly || row.IsOpen(now, inForce))
            .Select(row => row.ToWire(chain, now)));
        if (page.Count > size)
        {
            response.NextPageToken = await pages.SealAsync(
                nameof(ListApprovals), filter, unchecked((long)page[size - 1].Id).ToString(CultureInfo.InvariantCulture), call.CancellationToken);
        }

        call.Record.ItemCount = response.Approvals.Count;
        return response;
    }

    [Rpc(Permission.ReadApprovals, AuditEvent.ApprovalRead)]
    public override async Task<GetApprovalResponse> GetApproval(GetApprovalRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        if (request.Id.Length != 16 || !ulong.TryParse(request.Id, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id))
        {
            call.Authorize(null, null);
            throw Refusal.InvalidArgument("id", "must be 16 hexadecimal digits");
        }

        call.Record.Detail = $"approval {ApprovalRow.TextOf(id)}";
        var (row, chain) = await store.ReadAsync(
            async connection => (await _approvals.FindAsync(connection, null, id, call.CancellationToken),
            await _rosters.LoadAsync(connection, null, call.CancellationToken)),
            call.CancellationToken);
        if (row?.Request.Requester == call.Principal.Name)
        {
            // One's own request needs no permission: whoever asked may see what became of it.
            call.AuthorizeItems();
        }
        else
        {
            call.Authorize(null, null);
        }

        if (row is null)
        {
            throw Refusal.NotFound($"Approval '{request.Id}'");
        }

        var response = new GetApprovalResponse
        {
            Approval = row.ToWire(chain, time.GetUtcNow()), Request = ByteString.CopyFrom(row.Request.ToArray()),
                Message = ByteString.CopyFrom(row.Message),
        };
        response.Decisions.AddRange(row.Decisions.Select(each => ByteString.CopyFrom(each.ToArray())));
        return response;
    }

    [Rpc(Permission.DecideApprovals, AuditEvent.ApprovalDecided)]
    public override Task<DecideApprovalResponse> DecideApproval(DecideApprovalRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(null, null);
        if (!Approval.TryParse(request.Decision.Span, out var decision))
        {
            throw Refusal.InvalidArgument("decision", "must be a signed approval of docs/spec/approvals.md");
        }

        call.Record.Detail = $"{ApprovalAdministration.WordOf(decision!.Decision)} by officer {decision.Officer} of request {Convert.ToHexStringLower(decision.Request.Span)}";
        return call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var (row, chain) = await administration.DecideAsync(transaction, decision, call.Record);
            return new DecideApprovalResponse { Approval = row.ToWire(chain, transaction.Time) };
        });
    }

    [Rpc(Permission.InstallRoster, AuditEvent.RosterInstalled, StepUp = true, Quorum = QuorumRule.SignedRoster)]
    public override async Task<InstallRosterResponse> InstallRoster(InstallRosterRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(null, null);
        if (!SignedRoster.TryParse(request.Roster.Span, out var signed))
        {
            throw Refusal.InvalidArgument("roster", "must be a signed roster of docs/spec/approvals.md");
        }

        var installation = (await Installation.ReadAsync(store, call.CancellationToken))!.Id;
        var roster = signed!.Roster;
        var hash = Convert.ToHexStringLower(roster.Hash);
        call.Record.Detail = $"roster {roster.Sequence}, {hash}, {roster.Quorum} of {roster.Officers.Count}: {string.Join(", ", roster.Officers.Select(each => each.Id))}";
        return await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            await administration.InstallAsync(transaction, signed, installation, call.Principal.Name);
            return new InstallRosterResponse { Sequence = roster.Sequence, Hash = hash };
        });
    }

    [Rpc(Permission.None, AuditEvent.RostersRead)]
    public override async Task<ListRostersResponse> ListRosters(ListRostersRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(null, null);
        var chain = await store.ReadAsync(connection => _rosters.LoadAsync(connection, null, call.CancellationToken), call.CancellationToken);
        var installation = (await Installation.ReadAsync(store, call.CancellationToken))!.Id;
        var response = new ListRostersResponse { Installation = Convert.ToHexStringLower(installation) };
        response.Rosters.AddRange(chain?.Rosters.Select(each => ByteString.CopyFrom(each.ToArray())) ?? []);
        call.Record.ItemCount = response.Rosters.Count;
        return response;
    }
}
