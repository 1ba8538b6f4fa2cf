using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Rotation</c>.</summary>
public sealed class RotationCalls
{
    private readonly Rotation.RotationClient rotation;
    private readonly CallRunner runner;

    internal RotationCalls(CallInvoker invoker, CallRunner runner)
    {
        rotation = new Rotation.RotationClient(invoker);
        this.runner = runner;
    }

    /// <summary>Keys in the order of their rotation, those planned up to <paramref name="until"/>; null is all.</summary>
    public IAsyncEnumerable<KeyAge> ListKeyAgesAsync(DateTimeOffset? until = null, CancellationToken cancellation = default)
    {
        var end = until is { } time ? Timestamp.FromDateTimeOffset(time) : null;
        return Pages.ItemsAsync(
            runner, (token, o) => rotation.ListKeyAgesAsync(new ListKeyAgesRequest { Until = end, PageSize = Pages.Size, PageToken = token }, o),
            page => page.Keys, page => page.NextPageToken, cancellation);
    }

    /// <summary>Counts over all keys, and what the rotation is doing.</summary>
    public Task<GetRotationStatusResponse> GetStatusAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => rotation.GetRotationStatusAsync(new GetRotationStatusRequest(), o), cancellation);
}
