using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.AccessReviews</c>.</summary>
public sealed class AccessReviewCalls
{
    private const int PageSize = 100;

    private readonly AccessReviews.AccessReviewsClient reviews;
    private readonly CallRunner runner;

    internal AccessReviewCalls(CallInvoker invoker, CallRunner runner)
    {
        reviews = new AccessReviews.AccessReviewsClient(invoker);
        this.runner = runner;
    }

    /// <summary>Begins a review of every active principal; until it is due each of them is attested, or disabled then.</summary>
    /// <param name="roster">The personnel office's list, at most 20,000 entries.</param>
    /// <param name="rosterSha256">SHA-256 of the list's file, 32 bytes.</param>
    /// <param name="due">1 to 90 days ahead.</param>
    /// <param name="requestId">Makes it happen once; a new one when null.</param>
    /// <param name="cancellation">Ends it.</param>
    public Task<StartAccessReviewResponse> StartAsync(
        IEnumerable<AccessRosterEntry> roster, ReadOnlyMemory<byte> rosterSha256, DateTimeOffset due, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new StartAccessReviewRequest
        {
            RequestId = RequestId.OrNew(requestId), RosterSha256 = ByteString.CopyFrom(rosterSha256.Span), DueTime = Timestamp.FromDateTimeOffset(due),
        };
        request.Roster.AddRange(roster);
        return runner.UnaryAsync(o => reviews.StartAccessReviewAsync(request, o), cancellation);
    }

    /// <summary>All reviews there were, the newest first, and the key that verifies their results.</summary>
    public Task<ListAccessReviewsResponse> ListAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => reviews.ListAccessReviewsAsync(new ListAccessReviewsRequest(), o), cancellation);

    /// <summary>What a review has of each principal, by name, page by page.</summary>
    /// <param name="review">Its id; null is the newest.</param>
    /// <param name="pendingOnly">Only what nobody attested.</param>
    /// <param name="cancellation">Ends it.</param>
    public IAsyncEnumerable<AccessReviewItem> ItemsAsync(string? review = null, bool pendingOnly = false, CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner,
            (token, o) => reviews.ListAccessReviewItemsAsync(
                new ListAccessReviewItemsRequest { ReviewId = review ?? "", PendingOnly = pendingOnly, PageSize = PageSize, PageToken = token }, o),
            page => page.Items, page => page.NextPageToken, cancellation);

    /// <summary>What the open review has of the principals whose manager the caller is, by name, page by page.</summary>
    /// <param name="pendingOnly">Only what was not attested yet.</param>
    /// <param name="cancellation">Ends it.</param>
    public IAsyncEnumerable<AccessReviewItem> OwnItemsAsync(bool pendingOnly = false, CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner,
            (token, o) => reviews.ListOwnAccessReviewItemsAsync(new ListOwnAccessReviewItemsRequest { PendingOnly = pendingOnly, PageSize = PageSize, PageToken = token }, o),
            page => page.Items, page => page.NextPageToken, cancellation);

    /// <summary>Attests a principal as its manager: it keeps what the item showed, or is disabled at once.</summary>
    /// <param name="item">As it was shown to the manager.</param>
    /// <param name="verdict">KEEP or SUSPEND.</param>
    /// <param name="note">At most 512 bytes of UTF-8; demanded of SUSPEND.</param>
    /// <param name="requestId">Makes it happen once; a new one when null.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task<AccessReviewItem> AttestAsync(
        AccessReviewItem item, AccessReviewVerdict verdict, string note = "", string? requestId = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(item);
        var request = new AttestAccessRequest
        {
            RequestId = RequestId.OrNew(requestId), Principal = item.Principal, Verdict = verdict, AccessDigest = item.AccessDigest, Note = note,
        };
        return (await runner.UnaryAsync(o => reviews.AttestAccessAsync(request, o), cancellation).ConfigureAwait(false)).Item;
    }

    /// <summary>Gives an item that nobody attested to another manager.</summary>
    public Task<ReassignAccessReviewResponse> ReassignAsync(
        string principal, string manager, string reason, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new ReassignAccessReviewRequest { RequestId = RequestId.OrNew(requestId), Principal = principal, Manager = manager, Reason = reason };
        return runner.UnaryAsync(o => reviews.ReassignAccessReviewAsync(request, o), cancellation);
    }

    /// <summary>Closes the open review before its time, when every item is attested.</summary>
    public async Task<AccessReview> CloseAsync(string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new CloseAccessReviewRequest { RequestId = RequestId.OrNew(requestId) };
        return (await runner.UnaryAsync(o => reviews.CloseAccessReviewAsync(request, o), cancellation).ConfigureAwait(false)).Review;
    }

    /// <summary>The signed result of a closed review, and the key that verifies it.</summary>
    /// <param name="review">Its id; null is the newest that is closed.</param>
    /// <param name="cancellation">Ends it.</param>
    public Task<GetAccessReviewResultResponse> ResultAsync(string? review = null, CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => reviews.GetAccessReviewResultAsync(new GetAccessReviewResultRequest { ReviewId = review ?? "" }, o), cancellation);
}
