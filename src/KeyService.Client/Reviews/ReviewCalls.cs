using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Reviews</c>.</summary>
public sealed class ReviewCalls
{
    private readonly Reviews.ReviewsClient reviews;
    private readonly CallRunner runner;

    internal ReviewCalls(CallInvoker invoker, CallRunner runner)
    {
        reviews = new Reviews.ReviewsClient(invoker);
        this.runner = runner;
    }

    /// <summary>Findings, the newest first, page by page.</summary>
    /// <param name="includeClosed">Closed ones too.</param>
    /// <param name="rule">Only of this rule; null is all.</param>
    /// <param name="cancellation">Ends it.</param>
    public IAsyncEnumerable<Finding> ListAsync(bool includeClosed = false, string? rule = null, CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner,
            (token, o) => reviews.ListFindingsAsync(
                new ListFindingsRequest { IncludeClosed = includeClosed, Rule = rule ?? "", PageSize = Pages.Size, PageToken = token }, o),
            page => page.Findings, page => page.NextPageToken, cancellation);

    /// <summary>One finding.</summary>
    public async Task<Finding> GetAsync(string id, CancellationToken cancellation = default) =>
        (await runner.UnaryAsync(o => reviews.GetFindingAsync(new GetFindingRequest { Id = id }, o), cancellation).ConfigureAwait(false)).Finding;

    /// <summary>Says who looks into a finding.</summary>
    public async Task<Finding> AssignAsync(string id, string assignee, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new AssignFindingRequest { RequestId = RequestId.OrNew(requestId), Id = id, Assignee = assignee };
        return (await runner.UnaryAsync(o => reviews.AssignFindingAsync(request, o), cancellation).ConfigureAwait(false)).Finding;
    }

    /// <summary>Says what a finding turned out to be.</summary>
    public async Task<Finding> CloseAsync(
        string id, FindingDisposition disposition, string note, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new CloseFindingRequest { RequestId = RequestId.OrNew(requestId), Id = id, Disposition = disposition, Note = note };
        return (await runner.UnaryAsync(o => reviews.CloseFindingAsync(request, o), cancellation).ConfigureAwait(false)).Finding;
    }

    /// <summary>Signs off a month, "2026-11", that is over and whose findings are all closed.</summary>
    public async Task<SignOff> SignOffAsync(string month, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new SignOffMonthRequest { RequestId = RequestId.OrNew(requestId), Month = month };
        return (await runner.UnaryAsync(o => reviews.SignOffMonthAsync(request, o), cancellation).ConfigureAwait(false)).SignOff;
    }

    /// <summary>Months that were signed off, and the key that verifies their notes.</summary>
    public Task<ListSignOffsResponse> SignOffsAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => reviews.ListSignOffsAsync(new ListSignOffsRequest(), o), cancellation);
}
