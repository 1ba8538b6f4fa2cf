using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Store</c>: whether the store can be believed.</summary>
public sealed class StoreCalls
{
    private static readonly TimeSpan LongestScrub = TimeSpan.FromHours(1);

    private readonly Store.StoreClient store;
    private readonly CallRunner runner;

    internal StoreCalls(CallInvoker invoker, CallRunner runner)
    {
        store = new Store.StoreClient(invoker);
        this.runner = runner;
    }

    /// <summary>Whether the database was put back, the clock is right, and what the last scrub found.</summary>
    public Task<GetStoreTrustResponse> GetTrustAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => store.GetStoreTrustAsync(new GetStoreTrustRequest(), o), cancellation);

    /// <summary>Compares every deciding row with the audit log, now. Takes seconds, or minutes in a large store.</summary>
    public async Task<Scrub> ScrubAsync(CancellationToken cancellation = default) =>
        (await runner.UnaryAsync(o => store.ScrubStoreAsync(new ScrubStoreRequest(), o), cancellation, LongestScrub).ConfigureAwait(false)).Scrub;

    /// <summary>Accepts the database as it stands after it was put back, and, when asked for, a clock that was wrong before.</summary>
    public Task<AcceptStoreResponse> AcceptAsync(string reason, bool clock = false, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new AcceptStoreRequest { RequestId = RequestId.OrNew(requestId), Reason = reason, Clock = clock };
        return runner.UnaryAsync(o => store.AcceptStoreAsync(request, o), cancellation);
    }
}
