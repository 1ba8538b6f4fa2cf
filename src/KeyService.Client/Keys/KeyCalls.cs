using System.Runtime.CompilerServices;
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

    /// <summary>Keys by name, fetched page by page as they are read.</summary>
    public async IAsyncEnumerable<Key> ListAsync(string prefix = "", [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var request = new ListKeysRequest { Prefix = prefix, PageSize = Paging.Size };
        do
        {
            var page = await runner.UnaryAsync(o => keys.ListKeysAsync(request, o), cancellation).ConfigureAwait(false);
            foreach (var key in page.Keys)
            {
                yield return key;
            }
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
    }

    /// <summary>Versions of a key, newest first.</summary>
    public async IAsyncEnumerable<KeyVersion> ListVersionsAsync(string name, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var request = new ListKeyVersionsRequest { Name = name, PageSize = Paging.Size };
        do
        {
            var page = await runner.UnaryAsync(o => keys.ListKeyVersionsAsync(request, o), cancellation).ConfigureAwait(false);
            foreach (var version in page.Versions)
            {
                yield return version;
            }
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
    }
}
