using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Holdings;
using KeyService.Server.Pipeline;
using KeyService.Server.Rotation;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Keys;

/// <summary>RPCs of keys.proto.</summary>
internal sealed class KeysService(
    KeyRing ring, KeyMaker maker, KeyChanges changes, KeyQueries queries, KeyRotation rotation, RotationWorker worker, ActivationGate gate,
    AlarmOutlet alarms, Dependencies dependencies, PageTokens pages) : Wire.Keys.KeysBase
{
    private const int MaxReasonLength = 256;
    private const int MaxUses = 1000;
    private const int MaxVersions = 100;

    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;

    /// <summary>Names looked at for one page; a caller whose grants cover few of many keys gets a short page and a token.</summary>
    private const int MaxNamesLookedAt = 10_000;

    [Rpc(Permission.CreateKey, AuditEvent.KeyCreated, PerKey = true, Quorum = QuorumRule.Exceptions)]
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
        var policy = RotationPolicy.Require(request.Rotation, RotationPolicy.Default, "rotation");
        call.Authorize(name.Value, null);
        call.IsException = policy.IsException;
        await ring.DemandRegisterAsync(call.CancellationToken);
        var state = gate.Required ? KeyState.PreActivation : KeyState.Active;
        var response = await WithNewVersionAsync(call, version => call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var (key, primary) = await changes.CreateAsync(transaction, name, purpose, policy, version, state, call.Principal.Name);
            call.Record.KeyVersion = version.Id;
            return new CreateKeyResponse { Key = KeyMessages.ToWire(key, await queries.FactsOfAsync(transaction, primary)) };
        }), answer => answer.Key);
        gate.VersionsMade();
        worker.Wake();
        return response;
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
            after = names is [.., var last] ? last : after;
            var covered = names.Where(name => call.Covers(name, null)).ToList();
            response.Keys.AddRange((await queries.FindAsync(covered, call.CancellationToken)).Select(KeyMessages.ToWire));
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
        var response = await RotateAsync(call, name.Value, request);
        worker.Wake();
        return response;
    }

    [Rpc(Permission.SetKeyPolicy, AuditEvent.KeyPolicyChanged, PerKey = true, Quorum = QuorumRule.Exceptions)]
    public override async Task<SetKeyPolicyResponse> SetKeyPolicy(SetKeyPolicyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Name, "name");
        call.Authorize(name.Value, null);
        // Against the widest policy: what does not stand even there is refused before a change begins.
        call.IsException = RotationPolicy.Require(request.Rotation, RotationPolicy.Default, "rotation").IsException;
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var (key, primary) = await changes.SetPolicyAsync(
                transaction, name.Value, before => RotationPolicy.Require(request.Rotation, before, "rotation"));
            call.Record.Detail = $"period {key.Rotation.Period.TotalDays:0.##} d, limit {key.Rotation.Limit.TotalDays:0.##} d, "
                + $"warned {key.Rotation.WarnBefore.TotalDays:0.##} d before";
            return new SetKeyPolicyResponse { Key = KeyMessages.ToWire(key, await queries.FactsOfAsync(transaction, primary)) };
        });
        worker.Wake();
        return response;
    }

    [Rpc(Permission.ChangeKeyState, AuditEvent.KeyVersionStateChanged, PerKey = true)]
    public override async Task<ChangeKeyVersionStateResponse> ChangeKeyVersionState(ChangeKeyVersionStateRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Name, "name");
        var version = request.Version.Length == 0 ? (Crypto.KeyVersionId?)null : RequireVersion(request.Version);
        var to = RequireState(request);
        var reason = RequireReason(request.Reason);
        var since = RequireTime(request.SuspectedSince);
        call.Authorize(name.Value, null);
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var (key, row) = await changes.ChangeStateAsync(
                transaction, name.Value, version, to, new StateChange(transaction.Time, call.Principal.Name, reason), request.StopProcessing, since);
            call.Record.KeyVersion = row.Id;
            call.Record.Detail = $"{KeyStates.NameOf(to)}: {reason}";
            var primary = row.Id == key.PrimaryVersion ? row : await queries.RequireVersionAsync(transaction, key.PrimaryVersion);
            return new ChangeKeyVersionStateResponse
            {
                Key = KeyMessages.ToWire(key, await queries.FactsOfAsync(transaction, primary)),
                Version = KeyMessages.ToWire(await queries.FactsOfAsync(transaction, row), key),
            };
        });
        if (to == KeyState.Compromised)
        {
            await alarms.RaiseAsync(
                AlarmKind.KeyCompromised, name.Value,
                $"Version {response.Version.Id} of the key {name} was declared compromised by {call.Principal.Name}: {reason}. "
                + "See who depends on it (keyservice key impact), and encrypt anew what it protected (keyservice campaign start NAME --key {name} --kind reencrypt).",
                CancellationToken.None);
            await ReplaceAsync(name.Value, response);
        }

        worker.Wake();
        return response;
    }

    [Rpc(Permission.ReadKey, AuditEvent.KeyTransitionsListed, PerKey = true)]
    public override async Task<ListKeyTransitionsResponse> ListKeyTransitions(ListKeyTransitionsRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Name, "name");
        var version = RequireVersion(request.Version);
        call.Authorize(name.Value, null);
        var transitions = await queries.ListTransitionsAsync(name.Value, version, call.CancellationToken)
            ?? throw Refusal.NotFound($"Version {version} of the key {name}");
        call.Record.KeyVersion = version;
        var response = new ListKeyTransitionsResponse();
        response.Transitions.AddRange(transitions.Select(KeyMessages.ToWire));
        return response;
    }

    [Rpc(Permission.ReadKey, AuditEvent.KeyImpactRead, PerKey = true)]
    public override async Task<GetKeyImpactResponse> GetKeyImpact(GetKeyImpactRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Name, "name");
        call.Authorize(name.Value, null);
        _ = await queries.FindAsync(name.Value, call.CancellationToken) ?? throw Refusal.AccessDenied();
        var response = new GetKeyImpactResponse { Name = name.Value };
        response.Uses.AddRange((await queries.ListUsesAsync(name.Value, MaxUses, call.CancellationToken)).Select(KeyMessages.ToWire));
        foreach (var version in await queries.ListVersionsAsync(name.Value, KeyVersionPlace.Start, MaxVersions, call.CancellationToken))
        {
            var needed = await dependencies.OfVersionAsync(version.Row.Id, call.CancellationToken);
            response.Dependencies.AddRange(needed.Select(each => KeyMessages.ToWire(version.Row.Id, each)));
        }

        return response;
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
        response.Versions.AddRange(versions.Take(pageSize).Select(version => KeyMessages.ToWire(version, key.Row)));
        if (versions.Count > pageSize)
        {
            response.NextPageToken = await pages.SealAsync(
                nameof(ListKeyVersions), name.Value, KeyVersionPlace.Of(versions[pageSize - 1].Row).ToString(), call.CancellationToken);
        }

        call.Record.ItemCount = response.Versions.Count;
        return response;
    }

    // The version that waits longest; a new one where none waits and no backup is demanded. When somebody else took the chosen one meanwhile,
    // both rotations count: it is chosen again.
    private async Task<RotateKeyResponse> RotateAsync(Call call, string name, RotateKeyRequest request)
    {
        while (await rotation.FindNextAsync(name, call.CancellationToken) is { } next)
        {
            try
            {
                return await call.MutateAsync(request.RequestId, request, async transaction =>
                {
                    var (key, primary) = await changes.ActivateAsync(transaction, name, next.Id, OnDemand(transaction, call));
                    call.Record.KeyVersion = next.Id;
                    return new RotateKeyResponse { Key = KeyMessages.ToWire(key, await queries.FactsOfAsync(transaction, primary)) };
                });
            }
            catch (Refusal refusal) when (refusal.Reason == Reason.KeyState)
            {
                call.CancellationToken.ThrowIfCancellationRequested();
            }
        }

        if (gate.Required)
        {
            throw new Refusal(
                Reason.KeyState,
                "No version of the key that waits stands in enough verified bundles. Write one now (keyservice backup export) and rotate again.");
        }

        return await WithNewVersionAsync(call, version => call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var (key, primary) = await changes.RotateAsync(transaction, name, version, OnDemand(transaction, call));
            call.Record.KeyVersion = version.Id;
            return new RotateKeyResponse { Key = KeyMessages.ToWire(key, await queries.FactsOfAsync(transaction, primary)) };
        }), response => response.Key);
    }

    private static StateChange OnDemand(IStoreTransaction transaction, Call call) => new(transaction.Time, call.Principal.Name, "rotated on demand");

    // What was declared stands already: a next version that cannot be activated now is the worker's, with its alarms.
    private async Task ReplaceAsync(string name, ChangeKeyVersionStateResponse response)
    {
        try
        {
            if (await rotation.RotateAsync(name, CancellationToken.None) == RotationOutcome.Rotated
                && await queries.FindAsync(name, CancellationToken.None) is { } facts)
            {
                response.Key = KeyMessages.ToWire(facts);
            }
        }
        catch (Exception e) when (e is StoreUnavailableException or StoreOverloadedException or Hsm.HsmException or Refusal)
        {
            worker.Wake();
        }
    }

    private static Crypto.KeyVersionId RequireVersion(string text) => Crypto.KeyVersionId.TryParse(text, out var id)
        ? id
        : throw Refusal.InvalidArgument("version", "must be 16 hexadecimal digits");

    private static KeyState RequireState(ChangeKeyVersionStateRequest request)
    {
        var to = request.State switch
        {
            Wire.KeyState.Active => KeyState.Active,
            Wire.KeyState.Suspended => KeyState.Suspended,
            Wire.KeyState.Deactivated => KeyState.Deactivated,
            Wire.KeyState.Compromised => KeyState.Compromised,
            Wire.KeyState.Destroyed => throw Refusal.InvalidArgument(
                "state", "destruction takes a waiting period: keyservice key destroy"),
            _ => throw Refusal.InvalidArgument("state", "must be suspended, active (to resume), deactivated or compromised"),
        };
        if (request.SuspectedSince is not null && to != KeyState.Compromised)
        {
            throw Refusal.InvalidArgument("suspected_since", "goes with the state compromised only");
        }

        return request.StopProcessing && to != KeyState.Suspended
            ? throw Refusal.InvalidArgument("stop_processing", "goes with the state suspended only")
            : to;
    }

    private static string RequireReason(string reason) =>
        reason.Length is > 0 and <= MaxReasonLength && !reason.Any(char.IsControl)
            ? reason
            : throw Refusal.InvalidArgument("reason", "must be 1 to 256 characters on one line, and say why");

    private static DateTimeOffset? RequireTime(Google.Protobuf.WellKnownTypes.Timestamp? time)
    {
        try
        {
            return time?.ToDateTimeOffset();
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentOutOfRangeException)
        {
            throw Refusal.InvalidArgument("suspected_since", "is not a time");
        }
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
