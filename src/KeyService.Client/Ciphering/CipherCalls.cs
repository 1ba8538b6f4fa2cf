using Google.Protobuf;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Crypto;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Cipher</c>: the service encrypts, no data key leaves it.</summary>
public sealed class CipherCalls
{
    private static readonly Method<DecryptRequest, DecryptResponse> DecryptOne =
        SecretMethod.Create("keyservice.v1.Cipher", "Decrypt", DecryptRequest.Parser, DecryptResponse.Parser);

    private readonly CallInvoker invoker;
    private readonly Cipher.CipherClient cipher;
    private readonly CallRunner runner;

    internal CipherCalls(CallInvoker invoker, CallRunner runner)
    {
        this.invoker = invoker;
        this.runner = runner;
        cipher = new Cipher.CipherClient(invoker);
    }

    /// <summary>Encrypts one field of 0 bytes to 1 MiB into a token that is 49 bytes longer.</summary>
    public async Task<EncryptedField> EncryptAsync(
        string key, EncryptionContext context, ReadOnlyMemory<byte> plaintext, CancellationToken cancellation = default)
    {
        var request = new EncryptRequest { Key = key, Context = Contexts.ToMessage(context), Plaintext = UnsafeByteOperations.UnsafeWrap(plaintext) };
        var answer = await runner.UnaryAsync(o => cipher.EncryptAsync(request, o), cancellation).ConfigureAwait(false);
        return new EncryptedField(answer.Ciphertext.Memory, answer.KeyVersion);
    }

    /// <summary>Decrypts one token. Damaged, other key or other context: DECRYPTION_FAILED.</summary>
    public async Task<DecryptedField> DecryptAsync(
        EncryptionContext context, ReadOnlyMemory<byte> token, CancellationToken cancellation = default)
    {
        var request = new DecryptRequest { Context = Contexts.ToMessage(context), Ciphertext = UnsafeByteOperations.UnsafeWrap(token) };
        var answer = await runner.UnaryAsync(o => invoker.AsyncUnaryCall(DecryptOne, null, o, request), cancellation).ConfigureAwait(false);
        return new DecryptedField(answer.Plaintext.Memory, answer.Key, answer.KeyVersion);
    }

    /// <summary>Encrypts 1 to 10,000 fields, at most 3 MiB each way; a result for each, in order.</summary>
    public async Task<IReadOnlyList<FieldResult>> EncryptBatchAsync(
        string key, EncryptionContext shared, IEnumerable<FieldItem> items, CancellationToken cancellation = default)
    {
        var request = new EncryptBatchRequest { Key = key, Context = Contexts.ToMessage(shared) };
        request.Items.AddRange(items.Select(item => new EncryptItem
        {
            Plaintext = UnsafeByteOperations.UnsafeWrap(item.Data),
            Context = item.Context is null ? null : Contexts.ToMessage(item.Context),
        }));
        var answer = await runner.UnaryAsync(o => cipher.EncryptBatchAsync(request, o), cancellation).ConfigureAwait(false);
        return Read(answer.Results);
    }

    /// <summary>Decrypts 1 to 10,000 tokens, at most 3 MiB each way; a result for each, in order.</summary>
    public async Task<IReadOnlyList<FieldResult>> DecryptBatchAsync(
        EncryptionContext shared, IEnumerable<FieldItem> items, CancellationToken cancellation = default)
    {
        var request = new DecryptBatchRequest { Context = Contexts.ToMessage(shared) };
        request.Items.AddRange(items.Select(ToDecryptItem));
        var answer = await runner.UnaryAsync(o => cipher.DecryptBatchAsync(request, o), cancellation).ConfigureAwait(false);
        return Read(answer.Results);
    }

    /// <summary>Brings 1 to 10,000 tokens under the newest version, no plaintext shown; a result for each, in order.</summary>
    public async Task<IReadOnlyList<FieldResult>> ReencryptBatchAsync(
        EncryptionContext shared, IEnumerable<FieldItem> items, CancellationToken cancellation = default)
    {
        var request = new ReencryptBatchRequest { Context = Contexts.ToMessage(shared) };
        request.Items.AddRange(items.Select(ToDecryptItem));
        var answer = await runner.UnaryAsync(o => cipher.ReencryptBatchAsync(request, o), cancellation).ConfigureAwait(false);
        return Read(answer.Results);
    }

    /// <summary>
    /// Sends a stream of any length through the service and writes the archive that comes back. The archive is whole when
    /// this returns; when it throws (so does a read of <paramref name="plaintext"/>), what was written has no end and no reader accepts it.
    /// </summary>
    public Task<RemoteArchiveSummary> EncryptArchiveAsync(
        string key, EncryptionContext context, string contentName, Stream plaintext, Stream archive, IProgress<long>? progress = null,
        CancellationToken cancellation = default)
    {
        var start = new EncryptStreamStart { Key = key, Context = Contexts.ToMessage(context), ContentName = contentName };
        return new ArchiveExchange<EncryptStreamStart>(invoker, runner.Endpoint, CipherMethods.EncryptStream)
            .RunAsync(start, plaintext, archive, progress, cancellation);
    }

    /// <summary>
    /// Sends an archive through the service and writes its plaintext, each byte verified. It was whole only when this
    /// returns: when it throws, throw away what was written. With <paramref name="expected"/> the archive's context must be that.
    /// </summary>
    public Task<RemoteArchiveSummary> DecryptArchiveAsync(
        EncryptionContext? expected, Stream archive, Stream plaintext, IProgress<long>? progress = null, CancellationToken cancellation = default)
    {
        var start = new DecryptStreamStart { ExpectedContext = expected is null ? null : Contexts.ToMessage(expected) ?? new Context() };
        return new ArchiveExchange<DecryptStreamStart>(invoker, runner.Endpoint, CipherMethods.DecryptStream)
            .RunAsync(start, archive, plaintext, progress, cancellation);
    }

    private static DecryptItem ToDecryptItem(FieldItem item) => new()
    {
        Ciphertext = UnsafeByteOperations.UnsafeWrap(item.Data),
        Context = item.Context is null ? null : Contexts.ToMessage(item.Context),
    };

    private static List<FieldResult> Read(IEnumerable<CipherResult> results) =>
        [.. results.Select(one => one.ResultCase == CipherResult.ResultOneofCase.Data
            ? new FieldResult(one.Data.Memory, null)
            : new FieldResult(default, one.Error))];
}
