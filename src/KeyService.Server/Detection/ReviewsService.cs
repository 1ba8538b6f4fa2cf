using System.Globalization;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Detection;

/// <summary>RPCs of reviews.proto.</summary>
internal sealed class ReviewsService(
    FindingTable findings, SignOffTable signOffs, FindingReviews reviews, ReviewSigner signer, IStore store, PageTokens pageTokens, TimeProvider time,
    DetectionConfiguration? configuration = null) : Wire.Reviews.ReviewsBase
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;

    [Rpc(Permission.ReadFindings, AuditEvent.FindingsListed)]
    public override async Task<ListFindingsResponse> ListFindings(ListFindingsRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var size = request.PageSize switch
        {
            0 => DefaultPageSize,
            > 0 and <= MaxPageSize => request.PageSize,
            _ => throw Refusal.InvalidArgument("page_size", $"must be 1 to {MaxPageSize}, or 0 for {DefaultPageSize}"),
        };
        var rule = request.Rule.Length == 0 ? (DetectionRule?)null : DetectionRules.TryParse(request.Rule, out var named)
            ? named
            : throw Refusal.InvalidArgument("rule", $"must be one of {string.Join(", ", System.Enum.GetValues<DetectionRule>().Select(DetectionRules.NameOf))}");
        var filter = $"{(request.IncludeClosed ? "all" : "open")} {request.Rule}";
        var after = await CursorAsync(filter, request.PageToken, call.CancellationToken);
        var page = await store.ReadAsync(
            async connection =>
            {
                if (after is null)
                {
                    // Also that none is missing.
                    await findings.VerifyCountAsync(connection, call.CancellationToken);
                }

                return await findings.PageAsync(connection, !request.IncludeClosed, rule, after, size + 1, call.CancellationToken);
            },
            call.CancellationToken);
        var response = new ListFindingsResponse
        {
            NextPageToken = page.Count > size
                ? await pageTokens.SealAsync(
                    nameof(ListFindings), filter, string.Create(CultureInfo.InvariantCulture, $"{page[size - 1].MadeAt} {page[size - 1].Id}"), call.CancellationToken)
                : "",
        };
        response.Findings.AddRange(page.Take(size).Select(ReviewMessages.ToMessage));
        call.Record.ItemCount = response.Findings.Count;
        return response;
    }

    [Rpc(Permission.ReadFindings, AuditEvent.FindingRead)]
    public override async Task<GetFindingResponse> GetFinding(GetFindingRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var id = ReviewMessages.IdOf(request.Id);
        call.Record.Detail = request.Id;
        var finding = await store.ReadAsync(connection => findings.FindAsync(connection, null, id, call.CancellationToken), call.CancellationToken);
        return new GetFindingResponse { Finding = (finding ?? throw Refusal.NotFound($"Finding '{request.Id}'")).ToMessage() };
    }

    [Rpc(Permission.ReviewFindings, AuditEvent.FindingAssigned)]
    public override Task<AssignFindingResponse> AssignFinding(AssignFindingRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var id = ReviewMessages.IdOf(request.Id);
        call.Record.Detail = request.Id;
        return call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var finding = await reviews.AssignAsync(transaction, id, request.Id, request.Assignee);
            call.Record.Detail = $"{finding.IdText} to {finding.Assignee}";
            return new AssignFindingResponse { Finding = finding.ToMessage() };
        });
    }

    [Rpc(Permission.ReviewFindings, AuditEvent.FindingClosed)]
    public override Task<CloseFindingResponse> CloseFinding(CloseFindingRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var id = ReviewMessages.IdOf(request.Id);
        var disposition = ReviewMessages.DispositionOf(request);
        var note = ReviewMessages.NoteOf(request);
        call.Record.Detail = request.Id;
        return call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var finding = await reviews.CloseAsync(transaction, id, request.Id, call.Principal.Name, disposition, note);
            call.Record.Detail = $"{finding.IdText} {DetectionRules.NameOf(finding.RuleKind)} of {finding.Subject}: {ReviewMessages.NameOf(disposition)}, {note}";
            return new CloseFindingResponse { Finding = finding.ToMessage() };
        });
    }

    [Rpc(Permission.SignOffReview, AuditEvent.ReviewSignedOff, StepUp = true)]
    public override async Task<SignOffMonthResponse> SignOffMonth(SignOffMonthRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        if (!Months.TryParse(request.Month, out var first))
        {
            throw Refusal.InvalidArgument("month", "must be a month like 2026-11");
        }

        call.Record.Detail = request.Month;
        if (call.Principal.Type != Access.PrincipalType.Person)
        {
            throw Refusal.InvalidArgument("month", "can be signed off by a person only, in that person's own name");
        }

        if (!Months.IsOver(configuration?.Calendar ?? SiteCalendar.Utc, first, time.GetUtcNow()))
        {
            throw new Refusal(Reason.ReviewIncomplete, $"{request.Month} is not over. Sign it off afterwards.");
        }

        var signed = await reviews.SignAsync(store, signer, request.Month, call.Principal.Name, time.GetUtcNow(), call.CancellationToken);
        return await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var row = await reviews.SignOffAsync(transaction, signed);
            call.Record.ItemCount = row.Findings;
            return new SignOffMonthResponse { SignOff = row.ToMessage() };
        });
    }

    [Rpc(Permission.ReadFindings, AuditEvent.SignOffsListed)]
    public override async Task<ListSignOffsResponse> ListSignOffs(ListSignOffsRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var origin = SignOffNote.Origin((await Installation.ReadAsync(store, call.CancellationToken))!.LogId);
        var response = new ListSignOffsResponse { VerifierKey = (await signer.VerifierAsync(origin, call.CancellationToken)).ToString() };
        response.SignOffs.AddRange((await store.ReadAsync(connection => signOffs.ListAsync(connection, call.CancellationToken), call.CancellationToken)).Select(ReviewMessages.ToMessage));
        call.Record.ItemCount = response.SignOffs.Count;
        return response;
    }

    private async ValueTask<(long MadeAt, long Id)?> CursorAsync(string filter, string pageToken, CancellationToken cancellationToken)
    {
        if (pageToken.Length == 0)
        {
            return null;
        }

        var cursor = await pageTokens.OpenAsync(nameof(ListFindings), filter, pageToken, cancellationToken)
            ?? throw Refusal.InvalidArgument("page_token", "must be a token that this list answered for the same filter");
        var parts = cursor.Split(' ');
        return (long.Parse(parts[0], CultureInfo.InvariantCulture), long.Parse(parts[1], CultureInfo.InvariantCulture));
    }
}
