using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Holdings</c>: where wrapped keys and tokens live, and campaigns over them.</summary>
public sealed class HoldingCalls
{
    private readonly Holdings.HoldingsClient holdings;
    private readonly CallRunner runner;

    internal HoldingCalls(CallInvoker invoker, CallRunner runner)
    {
        holdings = new Holdings.HoldingsClient(invoker);
        this.runner = runner;
    }

    /// <summary>Registers a place that holds something of keys.</summary>
    public async Task<Holding> RegisterAsync(Holding holding, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new RegisterHoldingRequest { RequestId = RequestId.OrNew(requestId), Holding = holding };
        return (await runner.UnaryAsync(o => holdings.RegisterHoldingAsync(request, o), cancellation).ConfigureAwait(false)).Holding;
    }

    /// <summary>One holding, with what it holds as last reported.</summary>
    public async Task<Holding> GetAsync(string name, CancellationToken cancellation = default) =>
        (await runner.UnaryAsync(o => holdings.GetHoldingAsync(new GetHoldingRequest { Name = name }, o), cancellation).ConfigureAwait(false)).Holding;

    /// <summary>Holdings by name, those that may hold something of a key or all (empty), page by page.</summary>
    public IAsyncEnumerable<Holding> ListAsync(string key = "", CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => holdings.ListHoldingsAsync(new ListHoldingsRequest { Key = key, PageSize = Pages.Size, PageToken = token }, o),
            page => page.Holdings, page => page.NextPageToken, cancellation);

    /// <summary>Says that a holding is gone, or holds nothing of the service any more.</summary>
    public async Task<Holding> RetireAsync(string name, string reason, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new RetireHoldingRequest { RequestId = RequestId.OrNew(requestId), Name = name, Reason = reason };
        return (await runner.UnaryAsync(o => holdings.RetireHoldingAsync(request, o), cancellation).ConfigureAwait(false)).Holding;
    }

    /// <summary>Reports what a holding holds, or that a scan of it begins; only its owner may.</summary>
    /// <param name="report">Without request id.</param>
    /// <param name="requestId">UUID; a new one when null.</param>
    /// <param name="cancellation">Ends the call.</param>
    public Task<ReportHoldingResponse> ReportAsync(ReportHoldingRequest report, string? requestId = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(report);
        var request = new ReportHoldingRequest(report) { RequestId = RequestId.OrNew(requestId) };
        return runner.UnaryAsync(o => holdings.ReportHoldingAsync(request, o), cancellation);
    }

    /// <summary>Begins a campaign.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="kind">What it does.</param>
    /// <param name="key">Name of the key.</param>
    /// <param name="keyVersions">What nothing shall need any more; empty is every version that is neither active nor waiting.</param>
    /// <param name="itemsPerSecond">For each holding; 0 is no limit.</param>
    /// <param name="requestId">UUID; a new one when null.</param>
    /// <param name="cancellation">Ends the call.</param>
    public async Task<Campaign> StartCampaignAsync(
        string name, CampaignKind kind, string key, IEnumerable<string> keyVersions, int itemsPerSecond = 0, string? requestId = null,
        CancellationToken cancellation = default)
    {
        var request = new StartCampaignRequest
        {
            RequestId = RequestId.OrNew(requestId), Name = name, Kind = kind, Key = key, ItemsPerSecond = itemsPerSecond,
        };
        request.KeyVersions.AddRange(keyVersions);
        return (await runner.UnaryAsync(o => holdings.StartCampaignAsync(request, o), cancellation).ConfigureAwait(false)).Campaign;
    }

    /// <summary>A campaign with where each holding stands, and its proof when there is one.</summary>
    public Task<GetCampaignResponse> GetCampaignAsync(string name, CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => holdings.GetCampaignAsync(new GetCampaignRequest { Name = name }, o), cancellation);

    /// <summary>Campaigns by name, page by page.</summary>
    public IAsyncEnumerable<Campaign> ListCampaignsAsync(CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => holdings.ListCampaignsAsync(new ListCampaignsRequest { PageSize = Pages.Size, PageToken = token }, o),
            page => page.Campaigns, page => page.NextPageToken, cancellation);

    /// <summary>Ends a campaign: with its proof, or given up. STILL_NEEDED says what is missing to the proof.</summary>
    public Task<EndCampaignResponse> EndCampaignAsync(
        string name, bool abandon = false, bool acceptPinned = false, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new EndCampaignRequest { RequestId = RequestId.OrNew(requestId), Name = name, Abandon = abandon, AcceptPinned = acceptPinned };
        return runner.UnaryAsync(o => holdings.EndCampaignAsync(request, o), cancellation);
    }
}
