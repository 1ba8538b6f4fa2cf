using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Crypto.AccessReviews;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Detection;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using PrincipalType = KeyService.Server.Access.PrincipalType;

namespace KeyService.Server.AccessReviews;

/// <summary>RPCs of access_reviews.proto.</summary>
internal sealed class AccessReviewsService(
    AccessReviewCampaign campaign, AccessReviewTable reviews, AccessAdministration administration, AccessRegister register, ReviewSigner signer, IStore store,
    PageTokens pageTokens, TimeProvider time)
    : Protocol.V1.AccessReviews.AccessReviewsBase
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 200;
    private const int MaxNotActive = 1000;

    [Rpc(Permission.AdministerAccess, AuditEvent.AccessReviewStarted, StepUp = true)]
    public override Task<StartAccessReviewResponse> StartAccessReview(StartAccessReviewRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var due = AccessReviewMessages.DueTimeOf(request);
        var digest = AccessReviewMessages.RosterDigestOf(request);
        var roster = AccessReviewMessages.RosterOf(request);
        call.Record.Detail = $"due {AccessReviewCampaign.TextOf(due)}, list {Convert.ToHexStringLower(digest)}";
        return MutateAsync(call, request.RequestId, request, async transaction =>
        {
            var (review, scope) = await campaign.StartAsync(transaction, call.Principal.Name, roster, digest, due);
            var everybody = ReviewedPrincipal.Of(review, new Dictionary<string, AccessReviewItemRow>(), register.Current);
            call.Record.Detail = $"review {review.IdText}, {call.Record.Detail}";
            call.Record.ItemCount = scope.Entries.Count;
            var response = new StartAccessReviewResponse { Review = review.ToMessage(ReviewCounts.Of(everybody)) };
            response.Orphans.AddRange(scope.Entries.Where(each => each.Manager.Length == 0).Select(each => each.Principal));
            response.NotActive.AddRange(roster.Where(line => scope.Find(line.Principal) is null && !(line.LeftTime <= transaction.Time))
                .Select(line => line.Principal).Order(StringComparer.Ordinal).Take(MaxNotActive));
            response.ManagersWithoutPermission.AddRange(scope.Entries.Select(each => each.Manager).Where(each => each.Length > 0).Distinct()
                .Where(each => !MayAttest(each)).Order(StringComparer.Ordinal));
            return response;
        });
    }

    [Rpc(Permission.ReadAccess, AuditEvent.AccessReviewsListed)]
    public override async Task<ListAccessReviewsResponse> ListAccessReviews(ListAccessReviewsRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var response = new ListAccessReviewsResponse { VerifierKey = await VerifierKeyAsync(call.CancellationToken) };
        response.Reviews.AddRange(await store.ReadAsync(
            async connection =>
            {
                var found = new List<AccessReview>();
                foreach (var review in await reviews.ListAsync(connection, null, call.CancellationToken))
                {
                    found.Add(review.ToMessage(review.IsOpen
                        ? ReviewCounts.Of(await campaign.EverybodyAsync(connection, review, call.CancellationToken)) : ReviewCounts.Of(review.Result)));
                }

                return found;
            },
            call.CancellationToken));
        call.Record.ItemCount = response.Reviews.Count;
        return response;
    }

    [Rpc(Permission.ReadAccess, AuditEvent.AccessReviewRead)]
    public override async Task<ListAccessReviewItemsResponse> ListAccessReviewItems(ListAccessReviewItemsRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var id = AccessReviewMessages.IdOf(request.ReviewId);
        var size = PageSize(request.PageSize);
        var filter = $"{request.ReviewId} {(request.PendingOnly ? "pending" : "all")}";
        var after = await CursorAsync(nameof(ListAccessReviewItems), filter, request.PageToken, call);
        var (review, everybody) = await ReadAsync(all => all.FirstOrDefault(each => id is null || each.Id == id), call.CancellationToken)
            ?? throw (id is null ? Refusal.NotFound("An access review") : Refusal.NotFound($"Access review '{request.ReviewId}'"));
        var page = everybody.Where(each => (!request.PendingOnly || each.IsPending) && string.CompareOrdinal(each.Name, after) > 0).Take(size + 1).ToList();
        var response = new ListAccessReviewItemsResponse { NextPageToken = await NextAsync(nameof(ListAccessReviewItems), filter, page, size, call) };
        response.Items.AddRange(Messages(page.Take(size), review));
        call.Record.ItemCount = response.Items.Count;
        call.Record.Detail = $"review {review.IdText}";
        return response;
    }

    [Rpc(Permission.AttestAccess, AuditEvent.OwnAccessReviewRead)]
    public override async Task<ListOwnAccessReviewItemsResponse> ListOwnAccessReviewItems(ListOwnAccessReviewItemsRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var size = PageSize(request.PageSize);
        var filter = $"{call.Principal.Name} {(request.PendingOnly ? "pending" : "all")}";
        var after = await CursorAsync(nameof(ListOwnAccessReviewItems), filter, request.PageToken, call);
        if (await ReadAsync(all => all.FirstOrDefault(each => each.IsOpen), call.CancellationToken) is not var (review, everybody))
        {
            return new ListOwnAccessReviewItemsResponse();
        }

        var page = everybody
            .Where(each => each.Manager == call.Principal.Name && (!request.PendingOnly || each.IsPending) && string.CompareOrdinal(each.Name, after) > 0)
            .Take(size + 1).ToList();
        var response = new ListOwnAccessReviewItemsResponse
        {
            DueTime = review.DueTime.ToTimestamp(), NextPageToken = await NextAsync(nameof(ListOwnAccessReviewItems), filter, page, size, call),
        };
        response.Items.AddRange(Messages(page.Take(size), review));
        call.Record.ItemCount = response.Items.Count;
        call.Record.Detail = $"review {review.IdText}, of {call.Principal.Name}";
        return response;
    }

    [Rpc(Permission.AttestAccess, AuditEvent.AccessAttested, StepUp = true)]
    public override Task<AttestAccessResponse> AttestAccess(AttestAccessRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        if (call.Principal.Type != PrincipalType.Person)
        {
            throw new Refusal(Reason.AccessDenied, "Access is attested by people, each in his own name.");
        }

        var verdict = AccessReviewMessages.VerdictOf(request);
        var note = AccessReviewMessages.NoteOf(request);
        call.Record.Detail = $"principal {OneLine.Of(request.Principal, 64)}";
        return MutateAsync(call, request.RequestId, request, async transaction =>
        {
            var item = await campaign.AttestAsync(transaction, call.Principal.Name, request.Principal, verdict, request.AccessDigest.Memory, note);
            call.Record.Detail = $"review {item.Row!.IdText}: {ReviewVerdicts.NameOf(verdict)}, access {Convert.ToHexStringLower(item.Row.AccessSha256!)}{(note.Length == 0 ? "" : $", {note}")}";
            var review = await reviews.FindOpenAsync(transaction.Connection, transaction.Transaction, CancellationToken.None);
            return new AttestAccessResponse { Item = item.ToMessage(review!, register.Current, transaction.Time) };
        });
    }

    [Rpc(Permission.AdministerAccess, AuditEvent.AccessReviewReassigned, StepUp = true)]
    public override Task<ReassignAccessReviewResponse> ReassignAccessReview(ReassignAccessReviewRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var reason = AccessReviewMessages.TextOf(request.Reason, "reason");
        call.Record.Detail = $"principal {OneLine.Of(request.Principal, 64)}";
        return MutateAsync(call, request.RequestId, request, async transaction =>
        {
            var item = await campaign.ReassignAsync(transaction, call.Principal.Name, request.Principal, request.Manager, reason);
            call.Record.Detail = $"review {item.Row!.IdText} to {item.Manager}, {reason}";
            var review = await reviews.FindOpenAsync(transaction.Connection, transaction.Transaction, CancellationToken.None);
            return new ReassignAccessReviewResponse
            {
                Item = item.ToMessage(review!, register.Current, transaction.Time), ManagerWithoutPermission = !MayAttest(item.Manager),
            };
        });
    }

    [Rpc(Permission.AdministerAccess, AuditEvent.AccessReviewClosed, StepUp = true)]
    public override async Task<CloseAccessReviewResponse> CloseAccessReview(CloseAccessReviewRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        // Nothing to sign is for the change to refuse, which also knows whether this request came before.
        var signed = await campaign.SignAsync(store, signer, call.Principal.Name, time.GetUtcNow(), call.CancellationToken);
        return await MutateAsync(call, request.RequestId, request, async transaction =>
        {
            var review = await campaign.CloseAsync(transaction, signed);
            call.Record.Detail = AccessReviewDeadline.DetailOf(review, signed!.Everybody);
            call.Record.ItemCount = signed.Everybody.Count;
            return new CloseAccessReviewResponse { Review = review.ToMessage(ReviewCounts.Of(signed.Everybody)) };
        });
    }

    [Rpc(Permission.ReadAccess, AuditEvent.AccessReviewResultRead)]
    public override async Task<GetAccessReviewResultResponse> GetAccessReviewResult(GetAccessReviewResultRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var id = AccessReviewMessages.IdOf(request.ReviewId);
        var all = await store.ReadAsync(connection => reviews.ListAsync(connection, null, call.CancellationToken), call.CancellationToken);
        var review = id is { } one ? all.FirstOrDefault(each => each.Id == one) : all.FirstOrDefault(each => !each.IsOpen);
        if (review is null)
        {
            throw id is null ? Refusal.NotFound("A closed access review") : Refusal.NotFound($"Access review '{request.ReviewId}'");
        }

        call.Record.Detail = $"review {review.IdText}";
        return review.Note is { } note
            ? new GetAccessReviewResultResponse { ReviewId = review.IdText, Note = ByteString.CopyFrom(note), VerifierKey = await VerifierKeyAsync(call.CancellationToken) }
            : throw new Refusal(Reason.ReviewIncomplete, $"Access review {review.IdText} is open until {AccessReviewCampaign.TextOf(review.DueTime)}. Its result is signed when it is closed.");
    }

    private static Call Authorized(ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        return call;
    }

    // In the turn of everything that changes access: what a review is judged by does not change in the middle of it.
    private Task<TResponse> MutateAsync<TRequest, TResponse>(Call call, string requestId, TRequest request, Func<IStoreTransaction, Task<TResponse>> change)
        where TRequest : IMessage
        where TResponse : class, IMessage<TResponse>, new() =>
        administration.InTurnAsync(() => call.MutateAsync(requestId, request, change), call.CancellationToken);

    private Task<(AccessReviewRow Review, IReadOnlyList<ReviewedPrincipal> Everybody)?> ReadAsync(
        Func<IReadOnlyList<AccessReviewRow>, AccessReviewRow?> which, CancellationToken cancellationToken) => store.ReadAsync(
        async connection => which(await reviews.ListAsync(connection, null, cancellationToken)) is { } review
            ? (review, await campaign.EverybodyAsync(connection, review, cancellationToken))
            : ((AccessReviewRow, IReadOnlyList<ReviewedPrincipal>)?)null,
        cancellationToken);

    private List<AccessReviewItem> Messages(IEnumerable<ReviewedPrincipal> page, AccessReviewRow review)
    {
        var (snapshot, now) = (register.Current, time.GetUtcNow());
        return [.. page.Select(each => each.ToMessage(review, snapshot, now))];
    }

    private bool MayAttest(string name) =>
        register.Current.Principals.TryGetValue(name, out var principal) && register.Allows(principal, Permission.AttestAccess, keyName: null, context: null);

    private async Task<string> VerifierKeyAsync(CancellationToken cancellationToken) => (await signer.VerifierAsync(
        AccessReviewResult.OriginOf((await Installation.ReadAsync(store, cancellationToken))!.LogId), cancellationToken)).ToString();

    /// <summary>Empty for the first page.</summary>
    private async ValueTask<string> CursorAsync(string list, string filter, string pageToken, Call call) => pageToken.Length == 0
        ? ""
        : await pageTokens.OpenAsync(list, filter, pageToken, call.CancellationToken)
            ?? throw Refusal.InvalidArgument("page_token", "must be a token that this list answered for the same question");

    private async ValueTask<string> NextAsync(string list, string filter, List<ReviewedPrincipal> page, int size, Call call) =>
        page.Count > size ? await pageTokens.SealAsync(list, filter, page[size - 1].Name, call.CancellationToken) : "";

    private static int PageSize(int asked) => asked switch
    {
        0 => DefaultPageSize,
        > 0 and <= MaxPageSize => asked,
        _ => throw Refusal.InvalidArgument("page_size", $"must be 1 to {MaxPageSize}, or 0 for {DefaultPageSize}"),
    };
}
