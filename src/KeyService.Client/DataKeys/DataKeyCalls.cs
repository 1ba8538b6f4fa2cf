using Google.Protobuf;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.DataKeys</c>. Secrets go from the wire into locked memory and are zeroed behind.</summary>
public sealed class DataKeyCalls
{
    private const string ServiceName = "keyservice.v1.DataKeys";

    private static readonly Method<GenerateDataKeyRequest, GenerateDataKeyResponse> GenerateOne =
        SecretMethod.Create(ServiceName, "GenerateDataKey", GenerateDataKeyRequest.Parser, GenerateDataKeyResponse.Parser);

    private static readonly Method<GenerateDataKeysRequest, GenerateDataKeysResponse> GenerateMany =
        SecretMethod.Create(ServiceName, "GenerateDataKeys", GenerateDataKeysRequest.Parser, GenerateDataKeysResponse.Parser);

    private static readonly Method<UnwrapDataKeyRequest, UnwrapDataKeyResponse> Unwrap =
        SecretMethod.Create(ServiceName, "UnwrapDataKey", UnwrapDataKeyRequest.Parser, UnwrapDataKeyResponse.Parser);

    private readonly CallInvoker invoker;
    private readonly DataKeys.DataKeysClient dataKeys;
    private readonly CallRunner runner;

    internal DataKeyCalls(CallInvoker invoker, CallRunner runner)
    {
        this.invoker = invoker;
        this.runner = runner;
        dataKeys = new DataKeys.DataKeysClient(invoker);
    }

    /// <summary>Makes one data key under the active version of a key.</summary>
    public async Task<DataKey> GenerateAsync(
        string key, DataKeyScope scope, bool withoutPlaintext = false, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(scope);
        var request = new GenerateDataKeyRequest { Key = key, Binding = scope.ToMessage(), WithoutPlaintext = withoutPlaintext };
        var answer = await runner.UnaryAsync(o => invoker.AsyncUnaryCall(GenerateOne, null, o, request), cancellation).ConfigureAwait(false);
        return Take(answer, key);
    }

    /// <summary>Makes 1 to 1,000 data keys for the caller's own format, all or none; dispose each.</summary>
    public async Task<IReadOnlyList<DataKey>> GenerateManyAsync(
        string key, EncryptionContext context, int count, bool withoutPlaintext = false, CancellationToken cancellation = default)
    {
        var request = new GenerateDataKeysRequest
        {
            Key = key,
            Binding = DataKeyScope.General(context).ToMessage(),
            WithoutPlaintext = withoutPlaintext,
            Count = count,
        };
        var answer = await runner.UnaryAsync(o => invoker.AsyncUnaryCall(GenerateMany, null, o, request), cancellation).ConfigureAwait(false);
        return [.. answer.DataKeys.Select(one => Take(one, key))];
    }

    /// <summary>Unwraps a data key. Whatever differs from how it was made is one answer, DECRYPTION_FAILED.</summary>
    public async Task<DataKey> UnwrapAsync(ReadOnlyMemory<byte> wrapped, DataKeyScope scope, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(scope);
        var request = new UnwrapDataKeyRequest { Wrapped = UnsafeByteOperations.UnsafeWrap(wrapped), Binding = scope.ToMessage() };
        var answer = await runner.UnaryAsync(o => invoker.AsyncUnaryCall(Unwrap, null, o, request), cancellation).ConfigureAwait(false);
        return new DataKey(SecretBytes.Take(answer.Plaintext), wrapped, answer.Key, answer.KeyVersion);
    }

    /// <summary>Wraps a data key again under the newest version, without its ever being seen here.</summary>
    public async Task<RewrappedDataKey> RewrapAsync(ReadOnlyMemory<byte> wrapped, DataKeyScope scope, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(scope);
        var request = new RewrapDataKeyRequest { Wrapped = UnsafeByteOperations.UnsafeWrap(wrapped), Binding = scope.ToMessage() };
        var answer = await runner.UnaryAsync(o => dataKeys.RewrapDataKeyAsync(request, o), cancellation).ConfigureAwait(false);
        return new RewrappedDataKey(answer.Wrapped.Memory, answer.KeyVersion, answer.Changed);
    }

    /// <summary>Re-wraps 1 to 1,000 data keys; for each, in order, the new wrapping or the reason why there is none.</summary>
    public async Task<IReadOnlyList<(RewrappedDataKey? Rewrapped, string? Error)>> RewrapManyAsync(
        IEnumerable<(ReadOnlyMemory<byte> Wrapped, DataKeyScope Scope)> items, CancellationToken cancellation = default)
    {
        var request = new RewrapDataKeysRequest();
        request.Items.AddRange(items.Select(item => new RewrapDataKeyRequest
        {
            Wrapped = UnsafeByteOperations.UnsafeWrap(item.Wrapped),
            Binding = item.Scope.ToMessage(),
        }));
        var answer = await runner.UnaryAsync(o => dataKeys.RewrapDataKeysAsync(request, o), cancellation).ConfigureAwait(false);
        return [.. answer.Results.Select(one => one.Rewrapped is { } done
            ? (new RewrappedDataKey(done.Wrapped.Memory, done.KeyVersion, done.Changed), (string?)null)
            : ((RewrappedDataKey?)null, one.Error))];
    }

    private static DataKey Take(GenerateDataKeyResponse answer, string key) =>
        new(answer.Plaintext.IsEmpty ? null : SecretBytes.Take(answer.Plaintext), answer.Wrapped.Memory, key, answer.KeyVersion);
}
