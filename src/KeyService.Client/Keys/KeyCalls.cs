using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Keys</c>. A mutation may be given a request id (a UUID) to be repeatable across processes.</summary>
public sealed class KeyCalls
{
    private readonly Keys.KeysClient keys;
    private readonly CallRunner runner;

    internal KeyCalls(CallInvoker invoker, CallRunner runner)
    {
        keys = new Keys.KeysClient(invoker);
        this.runner = runner;
    }

    /// <summary>
    /// Makes a key with its first version. <paramref name="rotationPeriod"/>: 90 to 180 days; null is 90. <paramref name="purpose"/> is for
    /// good: a key of blind indexes serves nothing else.
    /// </summary>
    public async Task<Key> CreateAsync(
        string name, TimeSpan? rotationPeriod = null, string? requestId = null, KeyPurpose purpose = KeyPurpose.EncryptDecrypt,
        CancellationToken cancellation = default)
    {
        var request = new CreateKeyRequest
        {
            RequestId = RequestId.OrNew(requestId),
            Name = name,
            Purpose = purpose,
            Rotation = rotationPeriod is { } period ? new RotationPolicy { Period = Duration.FromTimeSpan(period) } : null,
        };
        return (await runner.UnaryAsync(o => keys.CreateKeyAsync(request, o), cancellation).ConfigureAwait(false)).Key;
    }

    /// <summary>One key.</summary>
    public async Task<Key> GetAsync(string name, CancellationToken cancellation = default) =>
        (await runner.UnaryAsync(o => keys.GetKeyAsync(new GetKeyRequest { Name = name }, o), cancellation).ConfigureAwait(false)).Key;

    /// <summary>Makes and activates a new version.</summary>
    public async Task<Key> RotateAsync(string name, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new RotateKeyRequest { RequestId = RequestId.OrNew(requestId), Name = name };
        return (await runner.UnaryAsync(o => keys.RotateKeyAsync(request, o), cancellation).ConfigureAwait(false)).Key;
    }

    /// <summary>
    /// Changes the policy; what is null stays as it is. <paramref name="period"/>: 90 to 180 days; <paramref name="limit"/>: the period to 180
    /// days; <paramref name="warnBefore"/>: 1 to 60 days.
    /// </summary>
    public async Task<Key> SetPolicyAsync(
        string name, TimeSpan? period = null, TimeSpan? limit = null, TimeSpan? warnBefore = null, string? requestId = null,
        CancellationToken cancellation = default)
    {
        var request = new SetKeyPolicyRequest
        {
            RequestId = RequestId.OrNew(requestId),
            Name = name,
            Rotation = new RotationPolicy { Period = Of(period), Limit = Of(limit), WarnBefore = Of(warnBefore) },
        };
        return (await runner.UnaryAsync(o => keys.SetKeyPolicyAsync(request, o), cancellation).ConfigureAwait(false)).Key;
    }

    /// <summary>Suspends, resumes or deactivates a version, or declares it compromised.</summary>
    /// <param name="name">The key.</param>
    /// <param name="state">The state it is to have: suspended, active (to resume), deactivated or compromised.</param>
    /// <param name="reason">Why; goes into the record.</param>
    /// <param name="version">16 hexadecimal digits; null is the active (or suspended) one.</param>
    /// <param name="suspectedSince">Of a compromised version: since when it may have been known to others.</param>
    /// <param name="stopProcessing">Of a suspended version: it does not decrypt either.</param>
    /// <param name="requestId">A UUID.</param>
    /// <param name="cancellation">Cancels the call.</param>
    public Task<ChangeKeyVersionStateResponse> ChangeStateAsync(
        string name, KeyState state, string reason, string? version = null, DateTimeOffset? suspectedSince = null, bool stopProcessing = false,
        string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new ChangeKeyVersionStateRequest
        {
            RequestId = RequestId.OrNew(requestId),
            Name = name,
            Version = version ?? "",
            State = state,
            Reason = reason,
            SuspectedSince = suspectedSince is { } since ? Timestamp.FromDateTimeOffset(since) : null,
            StopProcessing = stopProcessing,
        };
        return runner.UnaryAsync(o => keys.ChangeKeyVersionStateAsync(request, o), cancellation);
    }

    /// <summary>Every change of a version's state, oldest first.</summary>
    public async Task<IReadOnlyList<KeyTransition>> ListTransitionsAsync(string name, string version, CancellationToken cancellation = default) =>
        (await runner.UnaryAsync(
            o => keys.ListKeyTransitionsAsync(new ListKeyTransitionsRequest { Name = name, Version = version }, o), cancellation)
            .ConfigureAwait(false)).Transitions;

    /// <summary>Who uses a key and what depends on it.</summary>
    public Task<GetKeyImpactResponse> GetImpactAsync(string name, CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => keys.GetKeyImpactAsync(new GetKeyImpactRequest { Name = name }, o), cancellation);

    /// <summary>Keys by name, fetched page by page as they are read.</summary>
    public IAsyncEnumerable<Key> ListAsync(string prefix = "", CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => keys.ListKeysAsync(new ListKeysRequest { Prefix = prefix, PageSize = Pages.Size, PageToken = token }, o),
            page => page.Keys, page => page.NextPageToken, cancellation);

    private static Duration? Of(TimeSpan? time) => time is { } value ? Duration.FromTimeSpan(value) : null;

    /// <summary>Versions of a key, newest first.</summary>
    public IAsyncEnumerable<KeyVersion> ListVersionsAsync(string name, CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => keys.ListKeyVersionsAsync(new ListKeyVersionsRequest { Name = name, PageSize = Pages.Size, PageToken = token }, o),
            page => page.Versions, page => page.NextPageToken, cancellation);
}
