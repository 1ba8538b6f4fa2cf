using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.DataKeys</c>. Secrets go from the wire into locked memory and are zeroed behind.</summary>
public sealed class DataKeyCalls
{
    /// <summary>Leases that one watch names at most.</summary>
    internal const int MaxLeases = 1000;

    /// <summary>Data keys that one report of use names at most.</summary>
    internal const int MaxReportedKeys = 32;

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

    /// <summary>
    /// Listens to what may be done with data keys held here: at once, whenever something changes, and after each
    /// <paramref name="heartbeat"/> (200 ms to 30 s). Ends by cancellation or an exception only.
    /// </summary>
    /// <param name="leases">1 to 1,000 pairs of key version and data-key context, none twice.</param>
    public async IAsyncEnumerable<LeaseAnswer> WatchLeasesAsync(
        IEnumerable<(string KeyVersion, EncryptionContext Context)> leases, TimeSpan heartbeat,
        [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var request = new WatchLeasesRequest { HeartbeatMilliseconds = (int)heartbeat.TotalMilliseconds };
        request.Leases.AddRange(leases.Select(each => new LeasedVersion { KeyVersion = each.KeyVersion, Context = Contexts.ToMessage(each.Context) }));
        using var call = dataKeys.WatchLeases(request, new CallOptions(cancellationToken: cancellation));
        while (true)
        {
            try
            {
                if (!await call.ResponseStream.MoveNext(cancellation).ConfigureAwait(false))
                {
                    yield break;
                }
            }
            catch (RpcException e)
            {
                throw FaultDecoder.Decode(e, runner.Endpoint, cancellation);
            }
            var answer = call.ResponseStream.Current;
            yield return new LeaseAnswer(
                [.. answer.Standings.Select(each => new LeaseVerdict(each.MayEncrypt, each.MayDecrypt))],
                TimeSpan.FromMilliseconds(answer.ElapsedMilliseconds));
        }
    }

    /// <summary>Reports what was done with 1 to 32 data keys of one key version. With the same request id it counts once.</summary>
    public async Task ReportUseAsync(
        string keyVersion, IEnumerable<DataKeyUsageReport> uses, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new ReportUseRequest { RequestId = RequestId.OrNew(requestId), KeyVersion = keyVersion };
        request.Uses.AddRange(uses.Select(each => new DataKeyUsage
        {
            DataKeyId = ByteString.CopyFrom(each.DataKeyId.Span),
            EncryptedMessages = each.EncryptedMessages,
            EncryptedBytes = each.EncryptedBytes,
            DecryptedMessages = each.DecryptedMessages,
            DecryptedBytes = each.DecryptedBytes,
            GraceMessages = each.GraceMessages,
            GraceMilliseconds = (long)each.GraceTime.TotalMilliseconds,
        }));
        await runner.UnaryAsync(o => dataKeys.ReportUseAsync(request, o), cancellation).ConfigureAwait(false);
    }

    private static DataKey Take(GenerateDataKeyResponse answer, string key) =>
        new(answer.Plaintext.IsEmpty ? null : SecretBytes.Take(answer.Plaintext), answer.Wrapped.Memory, key, answer.KeyVersion);
}
