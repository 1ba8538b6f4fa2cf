using System.Globalization;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Access;

/// <summary>The RPCs of access.proto.</summary>
internal sealed class AccessService(
    AccessRegister register, AccessAdministration administration, LeaverReports leavers, PageTokens pageTokens, TimeProvider time)
    : Protocol.V1.Access.AccessBase
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;
    private const int MaxNewGrants = 32;
    private const int MaxDetail = 2000;

    [Rpc(Permission.AdministerAccess, AuditEvent.PrincipalCreated, StepUp = true)]
    public override Task<CreatePrincipalResponse> CreatePrincipal(CreatePrincipalRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var name = AccessMessages.NameOf(request);
        var type = AccessMessages.TypeOf(request);
        var credential = AccessMessages.CredentialOf(request);
        call.Record.Detail = $"principal {name}, {PrincipalTypes.NameOf(type)}, {credential.Kind} {credential.Value}";
        return MutateAsync(call, request.RequestId, request, async transaction => new CreatePrincipalResponse
        {
            Principal = (await administration.CreatePrincipalAsync(transaction, name, type, credential)).ToMessage(),
        });
    }

    [Rpc(Permission.AdministerAccess, AuditEvent.PrincipalsListed)]
    public override async Task<ListPrincipalsResponse> ListPrincipals(ListPrincipalsRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var after = await CursorAsync(nameof(ListPrincipals), "", request.PageToken, call);
        var size = PageSize(request.PageSize);
        var page = register.Current.Principals.Values.Where(each => string.CompareOrdinal(each.Name, after) > 0).Take(size + 1).ToList();
        var response = new ListPrincipalsResponse
        {
            NextPageToken = page.Count > size ? await pageTokens.SealAsync(nameof(ListPrincipals), "", page[size - 1].Name, call.CancellationToken) : "",
        };
        response.Principals.AddRange(page.Take(size).Select(AccessMessages.ToMessage));
        call.Record.ItemCount = response.Principals.Count;
        return response;
    }

    [Rpc(Permission.AdministerAccess, AuditEvent.PrincipalDisabled, StepUp = true)]
    public override Task<DisablePrincipalResponse> DisablePrincipal(DisablePrincipalRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        call.Record.Detail = $"principal {request.Name}";
        return MutateAsync(call, request.RequestId, request, async transaction => new DisablePrincipalResponse
        {
            Principal = (await administration.DisablePrincipalAsync(transaction, request.Name)).ToMessage(),
        });
    }

    [Rpc(Permission.AdministerAccess, AuditEvent.GrantCreated, StepUp = true)]
    public override Task<CreateGrantResponse> CreateGrant(CreateGrantRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var wanted = AccessMessages.ToGrantRequest(request, time.GetUtcNow());
        call.Record.Detail = $"grant to {wanted.Principal}: {AccessMessages.LineOf(wanted)}";
        return MutateAsync(call, request.RequestId, request, async transaction =>
        {
            var grant = await administration.CreateGrantAsync(transaction, wanted);
            call.Record.Detail = $"{grant.IdText}, {call.Record.Detail}";
            return new CreateGrantResponse { Grant = grant.ToMessage() };
        });
    }

    [Rpc(Permission.AdministerAccess, AuditEvent.GrantsListed)]
    public override async Task<ListGrantsResponse> ListGrants(ListGrantsRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var cursor = await CursorAsync(nameof(ListGrants), request.Principal, request.PageToken, call);
        var after = cursor.Length == 0 ? 0 : ulong.Parse(cursor, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        var size = PageSize(request.PageSize);
        var current = register.Current;
        var all = request.Principal.Length == 0 ? current.Grants.Values : current.GrantsOf(request.Principal);
        var page = all.Where(each => each.Id > after).Take(size + 1).ToList();
        var response = new ListGrantsResponse
        {
            NextPageToken = page.Count > size
                ? await pageTokens.SealAsync(nameof(ListGrants), request.Principal, page[size - 1].IdText, call.CancellationToken)
                : "",
        };
        response.Grants.AddRange(page.Take(size).Select(AccessMessages.ToMessage));
        call.Record.ItemCount = response.Grants.Count;
        return response;
    }

    [Rpc(Permission.AdministerAccess, AuditEvent.GrantRevoked, StepUp = true)]
    public override Task<RevokeGrantResponse> RevokeGrant(RevokeGrantRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var id = AccessMessages.GrantIdOf(request);
        call.Record.Detail = $"grant {request.Id}";
        return MutateAsync(call, request.RequestId, request, async transaction => new RevokeGrantResponse
        {
            Grant = (await administration.RevokeGrantAsync(transaction, id, request.Id)).ToMessage(),
        });
    }

    [Rpc(Permission.AdministerAccess, AuditEvent.PrincipalMoved, StepUp = true)]
    public override Task<MovePrincipalResponse> MovePrincipal(MovePrincipalRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        if (request.Grants.Count > MaxNewGrants)
        {
            throw Refusal.InvalidArgument("grants", $"at most {MaxNewGrants}");
        }

        var wanted = request.Grants.Select(grant => AccessMessages.ToGrantRequest(grant, request.Principal, time.GetUtcNow())).ToList();
        call.Record.Detail = $"principal {OneLine.Of(request.Principal, 64)}";
        return MutateAsync(call, request.RequestId, request, async transaction =>
        {
            var (revoked, created) = await administration.MoveAsync(transaction, request.Principal, wanted);
            call.Record.Detail = OneLine.Of(
                $"principal {request.Principal}: revoked {string.Join(' ', revoked.Select(grant => grant.IdText))}; created "
                + string.Join("; ", created.Zip(wanted, (grant, of) => $"{grant.IdText} {AccessMessages.LineOf(of)}")),
                MaxDetail);
            call.Record.ItemCount = revoked.Count + created.Count;
            var response = new MovePrincipalResponse { Time = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(transaction.Time) };
            response.Revoked.AddRange(revoked.Select(AccessMessages.ToMessage));
            response.Created.AddRange(created.Select(AccessMessages.ToMessage));
            return response;
        });
    }

    [Rpc(Permission.ReadAccess, AuditEvent.LeaversReported)]
    public override async Task<ReportLeaversResponse> ReportLeavers(ReportLeaversRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var asked = LeaverReports.Require(request);
        call.Record.ItemCount = asked.Count;
        return await leavers.ReportAsync(asked, register.Current, call.CancellationToken);
    }

    [Rpc(Permission.ReadAccess, AuditEvent.EffectiveAccessListed)]
    public override async Task<ListEffectiveAccessResponse> ListEffectiveAccess(ListEffectiveAccessRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var after = await CursorAsync(nameof(ListEffectiveAccess), request.Principal, request.PageToken, call);
        var size = PageSize(request.PageSize);
        var now = time.GetUtcNow();
        var matrix = new AccessMatrix(register.Current, now, register.Separation);
        var page = matrix.Grants(request.Principal).Where(each => string.CompareOrdinal(AccessMatrix.PlaceOf(each), after) > 0).Take(size + 1).ToList();
        var response = new ListEffectiveAccessResponse
        {
            NextPageToken = page.Count > size
                ? await pageTokens.SealAsync(nameof(ListEffectiveAccess), request.Principal, AccessMatrix.PlaceOf(page[size - 1]), call.CancellationToken)
                : "",
        };
        response.Rows.AddRange(page.Take(size).SelectMany(matrix.RowsOf).Select(AccessMessages.ToMessage));
        call.Record.ItemCount = response.Rows.Count;
        call.Record.Detail = request.Principal.Length == 0 ? "" : $"principal {OneLine.Of(request.Principal, 64)}";
        return response;
    }

    [Rpc(Permission.ReadAccess, AuditEvent.AccessExplained)]
    public override Task<ExplainAccessResponse> ExplainAccess(ExplainAccessRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var permission = Permissions.TryParse(request.Permission, out var known)
            ? known
            : throw Refusal.InvalidArgument("permission", $"one of {string.Join(", ", Permissions.AllNames)}");
        var asked = AccessMessages.ContextOf(request.Context, "context");
        call.Record.Detail = $"principal {OneLine.Of(request.Principal, 64)}, {request.Permission}";
        call.Record.Key = OneLine.Of(request.Key, 128);
        var explanation = AccessExplanation.Of(
            register.Current, request.Principal, permission, request.Key.Length == 0 ? null : request.Key, asked, time.GetUtcNow(), register.Separation, register.Spent);
        return Task.FromResult(explanation.ToMessage());
    }

    [Rpc(Permission.None, AuditEvent.OwnAccessRead)]
    public override Task<WhoAmIResponse> WhoAmI(WhoAmIRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var current = register.Current;
        var response = new WhoAmIResponse { Principal = current.Principals[call.Principal.Name].ToMessage() };
        response.Grants.AddRange(current.GrantsOf(call.Principal.Name).Select(AccessMessages.ToMessage));
        call.Record.ItemCount = response.Grants.Count;
        return Task.FromResult(response);
    }

    private static Call Authorized(ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        return call;
    }

    private Task<TResponse> MutateAsync<TRequest, TResponse>(
        Call call, string requestId, TRequest request, Func<IStoreTransaction, Task<TResponse>> change)
        where TRequest : Google.Protobuf.IMessage
        where TResponse : class, Google.Protobuf.IMessage<TResponse>, new() =>
        administration.InTurnAsync(() => call.MutateAsync(requestId, request, change), call.CancellationToken);

    /// <summary>Empty for the first page.</summary>
    private async ValueTask<string> CursorAsync(string list, string filter, string pageToken, Call call) => pageToken.Length == 0
        ? ""
        : await pageTokens.OpenAsync(list, filter, pageToken, call.CancellationToken)
            ?? throw Refusal.InvalidArgument("page_token", "a token that this list answered for the same filter");

    private static int PageSize(int asked) => asked switch
    {
        0 => DefaultPageSize,
        > 0 and <= MaxPageSize => asked,
        _ => throw Refusal.InvalidArgument("page_size", $"1 to {MaxPageSize}, or 0 for {DefaultPageSize}"),
    };
}
