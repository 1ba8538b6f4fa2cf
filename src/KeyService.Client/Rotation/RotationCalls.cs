using System.Runtime.CompilerServices;
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
    public async IAsyncEnumerable<KeyAge> ListKeyAgesAsync(
        DateTimeOffset? until = null, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var request = new ListKeyAgesRequest { Until = until is { } end ? Timestamp.FromDateTimeOffset(end) : null, PageSize = Paging.Size };
        do
        {
            var page = await runner.UnaryAsync(o => rotation.ListKeyAgesAsync(request, o), cancellation).ConfigureAwait(false);
            foreach (var key in page.Keys)
            {
                yield return key;
            }
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
    }

    /// <summary>Counts over all keys, and what the rotation is doing.</summary>
    public Task<GetRotationStatusResponse> GetStatusAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => rotation.GetRotationStatusAsync(new GetRotationStatusRequest(), o), cancellation);
}
