using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Keys;

/// <summary>RPCs of keys.proto.</summary>
internal sealed class KeysService(KeyRing ring, KeyMaker maker, KeyChanges changes, KeyQueries queries,
    PageTokens pages) : Wire.Keys.KeysBase
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;

    /// <summary>Names looked at for one page; a caller whose grants cover few of many keys gets a short page and a token.</summary>
    private const int MaxNamesLookedAt = 10_000;

    [Rpc(Permission.CreateKey, AuditEvent.KeyCreated, PerKey = true)]
    public override async Task<CreateKeyResponse> CreateKey(CreateKeyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Name, "name");
        var purpose = request.Purpose switch
        {
            Wire.KeyPurpose.EncryptDecrypt => KeyPurpose.EncryptDecrypt,
            Wire.KeyPurpose.BlindIndex => KeyPurpose.BlindIndex,
            _ => throw Refusal.InvalidArgument("purpose", "must be KEY_PURPOSE_ENCRYPT_DECRYPT or KEY_PURPOSE_BLIND_INDEX"),
        };
        var rotation = RotationPolicy.Require(request.Rotation, "rotation");
        call.Authorize(name.Value, null);
        await ring.DemandRegisterAsync(call.CancellationToken);
        return await WithNewVersionAsync(call, version => call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var (key, primary) = await changes.CreateAsync(transaction, name, purpose, rotation, version);
            call.Record.KeyVersion = version.Id;
            return new CreateKeyResponse { Key = KeyMessages.ToWire(key, new KeyVersionFacts(primary, WrapBudget.Block)) };
        }), response => response.Key);
    }

    [Rpc(Permission.ReadKey, AuditEvent.KeyRead, PerKey = true)]
    public override async Task<GetKeyResponse> GetKey(GetKeyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Name, "name");
        call.Authorize(name.Value, null);
        var facts = await queries.FindAsync(name.Value, call.CancellationToken) ?? throw Refusal.AccessDenied();
        return new GetKeyResponse { Key = KeyMessages.ToWire(facts) };
    }

    [Rpc(Permission.ReadKey, AuditEvent.KeysListed)]
    public override async Task<ListKeysResponse> ListKeys(ListKeysRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var pageSize = RequirePageSize(request.PageSize);
        if (request.Prefix.Length > KeyName.MaxLength)
        {
            throw Refusal.InvalidArgument("prefix", "must be at most 128 characters");
        }

        call.Authorize(null, null);
        var after = await OpenAsync(nameof(ListKeys), request.Prefix, request.PageToken, call) ?? "";
        var response = new ListKeysResponse();
        var lookedAt = 0;
        var atEnd = false;
        while (!atEnd && response.Keys.Count < pageSize && lookedAt < MaxNamesLookedAt)
        {
            var names = await queries.ListNamesAsync(request.Prefix, after, pageSize - response.Keys.Count, call.CancellationToken);
            atEnd = names.Count == 0;
            lookedAt += names.Count;
            foreach (var name in names)
            {
                after = name;
                if (call.Covers(name, null) && await queries.FindAsync(name, call.CancellationToken) is { } facts)
                {
                    response.Keys.Add(KeyMessages.ToWire(facts));
                }
            }
        }

        call.Record.ItemCount = response.Keys.Count;
        response.NextPageToken = atEnd
            ? ""
            : await pages.SealAsync(nameof(ListKeys), request.Prefix, after, call.CancellationToken);
        return response;
    }

    [Rpc(Permission.RotateKey, AuditEvent.KeyRotated, PerKey = true)]
    public override async Task<RotateKeyResponse> RotateKey(RotateKeyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Name, "name");
        call.Authorize(name.Value, null);
        _ = await ring.FindForProtectionAsync(name.Value, call.CancellationToken) ?? throw Refusal.AccessDenied();
        return await WithNewVersionAsync(call, version => call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var (key, primary) = await changes.RotateAsync(transaction, name, version);
            call.Record.KeyVersion = version.Id;
            return new RotateKeyResponse { Key = KeyMessages.ToWire(key, new KeyVersionFacts(primary, WrapBudget.Block)) };
        }), response => response.Key);
    }

    [Rpc(Permission.ReadKey, AuditEvent.KeyVersionsListed, PerKey = true)]
    public override async Task<ListKeyVersionsResponse> ListKeyVersions(ListKeyVersionsRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Name, "name");
        var pageSize = RequirePageSize(request.PageSize);
        call.Authorize(name.Value, null);
        var before = KeyVersionPlace.Start;
        if (await OpenAsync(nameof(ListKeyVersions), name.Value, request.PageToken, call) is { } cursor
            && !KeyVersionPlace.TryParse(cursor, out before))
        {
            throw BadPageToken();
        }

        var key = await queries.FindAsync(name.Value, call.CancellationToken) ?? throw Refusal.AccessDenied();
        var versions = await queries.ListVersionsAsync(name.Value, before, pageSize + 1, call.CancellationToken);
        var response = new ListKeyVersionsResponse();
        response.Versions.AddRange(versions.Take(pageSize).Select(version => KeyMessages.ToWire(version, key.Row.Rotation)));
        if (versions.Count > pageSize)
        {
            response.NextPageToken = await pages.SealAsync(
                nameof(ListKeyVersions), name.Value, KeyVersionPlace.Of(versions[pageSize - 1].Row).ToString(), call.CancellationToken);
        }

        call.Record.ItemCount = response.Versions.Count;
        return response;
    }

    /// <summary>Makes a version, and discards it when the change failed or was answered from an earlier call of the same
    /// request_id.</summary>
    private async Task<TResponse> WithNewVersionAsync<TResponse>(
        Call call, Func<NewKeyVersion, Task<TResponse>> mutate, Func<TResponse, Wire.Key> keyOf)
    {
        var version = await maker.MakeAsync(call.CancellationToken);
        var stored = false;
        try
        {
            var response = await mutate(version);
            stored = keyOf(response).Primary.Id == version.Id.ToString();
            return response;
        }
        finally
        {
            if (!stored)
            {
                await maker.DiscardAsync(version);
            }
        }
    }

    private static int RequirePageSize(int requested) => requested switch
    {
        0 => DefaultPageSize,
        > 0 and <= MaxPageSize => requested,
        _ => throw Refusal.InvalidArgument("page_size", "must be 1 to 1,000, or 0 for 100"),
    };

    private async ValueTask<string?> OpenAsync(string list, string filter, string token, Call call) => token.Length == 0
        ? null
        : await pages.OpenAsync(list, filter, token, call.CancellationToken) ?? throw BadPageToken();

    private static Refusal BadPageToken() => Refusal.InvalidArgument("page_token",
        "must be the next_page_token of an answer to the same list with the same filter");
}
