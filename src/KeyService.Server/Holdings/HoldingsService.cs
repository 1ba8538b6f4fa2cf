using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Holdings;

/// <summary>RPCs of holdings.proto.</summary>
internal sealed class HoldingsService(
    IStore store, RowAuthenticator rows, HoldingChanges holdings, CampaignChanges campaigns, CampaignProving proving, PageTokens pages,
    TimeProvider time) : Wire.Holdings.HoldingsBase
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;
    private const int MostVersions = 1000;
    private const int MostItemsPerSecond = 1_000_000;

    private readonly HoldingTables _holdings = new(rows);
    private readonly CampaignTables _campaigns = new(rows);

    [Rpc(Permission.AdministerHoldings, AuditEvent.HoldingRegistered)]
    public override Task<RegisterHoldingResponse> RegisterHolding(RegisterHoldingRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var holding = HoldingMessages.Require(request.Holding, time.GetUtcNow());
        call.Record.Detail = $"holding {holding.Name} of {holding.Owner}, {holding.Kind}, keys {holding.KeyPattern}"
            + (holding.WriteOnceUntil is { } end ? $", write-once until {end:u}" : "");
        return call.MutateAsync(request.RequestId, request, async transaction =>
            new RegisterHoldingResponse { Holding = await holdings.RegisterAsync(transaction, holding) });
    }

    [Rpc(Permission.ReadHoldings, AuditEvent.HoldingRead)]
    public override async Task<GetHoldingResponse> GetHolding(GetHoldingRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var name = KeyName.Require(request.Name, "name").Value;
        call.Record.Detail = $"holding {name}";
        return await store.ReadAsync(
            async connection =>
            {
                var holding = await _holdings.FindAsync(connection, null, name, call.CancellationToken) ?? throw Refusal.NotFound($"Holding '{name}'");
                return new GetHoldingResponse
                {
                    Holding = HoldingMessages.ToWire(holding, await _holdings.VersionsOfAsync(connection, null, name, call.CancellationToken)),
                };
            },
            call.CancellationToken);
    }

    [Rpc(Permission.ReadHoldings, AuditEvent.HoldingsListed)]
    public override async Task<ListHoldingsResponse> ListHoldings(ListHoldingsRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var size = RequirePageSize(request.PageSize);
        var key = request.Key.Length == 0 ? "" : KeyName.Require(request.Key, "key").Value;
        var after = await CursorAsync(nameof(ListHoldings), key, request.PageToken, call);
        var response = new ListHoldingsResponse();
        var last = await store.ReadAsync(
            async connection =>
            {
                await _holdings.VerifyRegistersAsync(connection, call.CancellationToken);
                while (true)
                {
                    var page = await _holdings.ListAsync(connection, after, size, call.CancellationToken);
                    foreach (var holding in page)
                    {
                        if (response.Holdings.Count == size)
                        {
                            return after;
                        }

                        after = holding.Name;
                        if (key.Length == 0 || holding.KeyPattern.Covers(key))
                        {
                            response.Holdings.Add(HoldingMessages.ToWire(
                                holding, await _holdings.VersionsOfAsync(connection, null, holding.Name, call.CancellationToken)));
                        }
                    }

                    if (page.Count < size)
                    {
                        return null;
                    }
                }
            },
            call.CancellationToken);
        response.NextPageToken = last is null ? "" : await pages.SealAsync(nameof(ListHoldings), key, last, call.CancellationToken);
        call.Record.ItemCount = response.Holdings.Count;
        return response;
    }

    [Rpc(Permission.AdministerHoldings, AuditEvent.HoldingRetired)]
    public override Task<RetireHoldingResponse> RetireHolding(RetireHoldingRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var name = KeyName.Require(request.Name, "name").Value;
        call.Record.Detail = $"holding {name}: {HoldingMessages.Text(request.Reason, "reason")}";
        return call.MutateAsync(request.RequestId, request, async transaction =>
            new RetireHoldingResponse { Holding = await holdings.RetireAsync(transaction, name) });
    }

    [Rpc(Permission.ReportHolding, AuditEvent.HoldingReported)]
    public override Task<ReportHoldingResponse> ReportHolding(ReportHoldingRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        KeyName.Require(request.Name, "name");
        var counts = HoldingMessages.Counts(request);
        var complete = request.Phase == ScanPhase.Complete;
        if (request.Phase is not (ScanPhase.Begin or ScanPhase.Progress or ScanPhase.Complete))
        {
            throw Refusal.InvalidArgument("phase", "BEGIN, PROGRESS or COMPLETE");
        }

        if (complete != (request.ScanId.Length > 0))
        {
            throw Refusal.InvalidArgument("scan_id", "is required with COMPLETE, and only there");
        }

        if (request.Phase == ScanPhase.Begin && (counts.Count > 0 || request.UnknownItems != 0))
        {
            throw Refusal.InvalidArgument("counts", "must be empty with BEGIN");
        }

        if (request.UnknownItems < 0 || request.Progress is { } progress && (progress.ItemsDone | progress.ItemsTotal | progress.ItemsFailed) < 0)
        {
            throw Refusal.InvalidArgument("unknown_items", "no number below zero");
        }

        call.Record.ItemCount = counts.Values.Sum();
        call.Record.Detail = $"holding {request.Name}, {request.Phase}"
            + (complete ? $": {(counts.Count == 0 ? "nothing" : string.Join(", ", counts.Take(20).Select(count => $"{count.Key}={count.Value}")))}" : "");
        return call.MutateAsync(request.RequestId, request, transaction => holdings.ReportAsync(transaction, call.Principal.Name, request, counts));
    }

    [Rpc(Permission.AdministerHoldings, AuditEvent.CampaignStarted)]
    public override Task<StartCampaignResponse> StartCampaign(StartCampaignRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        if (request.KeyVersions.Count > MostVersions)
        {
            throw Refusal.InvalidArgument("key_versions", "must be at most 1,000");
        }

        var wanted = new Campaign(
            KeyName.Require(request.Name, "name").Value,
            request.Kind switch
            {
                Wire.CampaignKind.Rewrap => CampaignKind.Rewrap,
                Wire.CampaignKind.Reencrypt => CampaignKind.Reencrypt,
                _ => throw Refusal.InvalidArgument("kind", "REWRAP or REENCRYPT"),
            },
            KeyName.Require(request.Key, "key").Value,
            [.. request.KeyVersions.Select((text, index) => HoldingMessages.Version(text, $"key_versions[{index}]"))],
            request.ItemsPerSecond is >= 0 and <= MostItemsPerSecond
                ? request.ItemsPerSecond
                : throw Refusal.InvalidArgument("items_per_second", "must be 1 to 1,000,000, or 0 for no limit"),
            CampaignState.Running, call.Principal.Name, time.GetUtcNow(), EndedBy: null, EndTime: null, Proof: null, Revision: 1);
        call.Record.Key = wanted.Key;
        return call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var campaign = await campaigns.StartAsync(transaction, wanted);
            call.Record.Detail = $"campaign {campaign.Name}, {campaign.Kind}, from {VersionList.Format(campaign.Versions.Take(20))}";
            return new StartCampaignResponse { Campaign = HoldingMessages.ToWire(campaign) };
        });
    }

    [Rpc(Permission.ReadHoldings, AuditEvent.CampaignRead)]
    public override async Task<GetCampaignResponse> GetCampaign(GetCampaignRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var name = KeyName.Require(request.Name, "name").Value;
        call.Record.Detail = $"campaign {name}";
        return await store.ReadAsync(
            async connection =>
            {
                var campaign = await _campaigns.FindAsync(connection, null, name, call.CancellationToken) ?? throw Refusal.NotFound($"Campaign '{name}'");
                call.Record.Key = campaign.Key;
                var response = new GetCampaignResponse { Campaign = HoldingMessages.ToWire(campaign) };
                if (campaign.Proof is { } proof)
                {
                    response.Proof = Wire.CampaignProof.Parser.ParseFrom(proof);
                }
                else if (campaign.State == CampaignState.Running)
                {
                    response.Holdings.AddRange((await proving.StandAsync(connection, null, campaign, call.CancellationToken)).Holdings);
                }

                return response;
            },
            call.CancellationToken);
    }

    [Rpc(Permission.ReadHoldings, AuditEvent.CampaignsListed)]
    public override async Task<ListCampaignsResponse> ListCampaigns(ListCampaignsRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var size = RequirePageSize(request.PageSize);
        var after = await CursorAsync(nameof(ListCampaigns), "", request.PageToken, call);
        var page = await store.ReadAsync(connection => _campaigns.ListAsync(connection, after, size + 1, call.CancellationToken), call.CancellationToken);
        var response = new ListCampaignsResponse();
        response.Campaigns.AddRange(page.Take(size).Select(HoldingMessages.ToWire));
        if (page.Count > size)
        {
            response.NextPageToken = await pages.SealAsync(nameof(ListCampaigns), "", page[size - 1].Name, call.CancellationToken);
        }

        call.Record.ItemCount = response.Campaigns.Count;
        return response;
    }

    [Rpc(Permission.AdministerHoldings, AuditEvent.CampaignProven)]
    public override Task<EndCampaignResponse> EndCampaign(EndCampaignRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var name = KeyName.Require(request.Name, "name").Value;
        if (request.Abandon)
        {
            call.Record.Event = AuditEvent.CampaignAbandoned;
        }

        call.Record.Detail = $"campaign {name}";
        return call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var response = await campaigns.EndAsync(transaction, name, request.Abandon, request.AcceptPinned, call.Principal.Name);
            call.Record.Key = response.Campaign.Key;
            if (response.Proof is { } proof)
            {
                call.Record.ItemCount = proof.Holdings.Count;
                call.Record.Detail = $"campaign {name}: {proof.Statement} Proof SHA-256 {response.ProofSha256}, {proof.Holdings.Count} holdings";
            }

            return response;
        });
    }

    private static Call Authorized(ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        return call;
    }

    private async ValueTask<string> CursorAsync(string list, string filter, string token, Call call) => token.Length == 0
        ? ""
        : await pages.OpenAsync(list, filter, token, call.CancellationToken)
            ?? throw Refusal.InvalidArgument("page_token", "must be the next_page_token of an answer to the same list with the same filter");

    private static int RequirePageSize(int requested) => requested switch
    {
        0 => DefaultPageSize,
        > 0 and <= MaxPageSize => requested,
        _ => throw Refusal.InvalidArgument("page_size", "must be 1 to 1,000, or 0 for 100"),
    };
}
