using KeyService.Crypto;
using KeyService.Protocol.Bulk;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Ciphering;

/// <summary>Encrypt and EncryptBatch: from the request's memory straight into the answer's, under the active version's bulk key.</summary>
internal sealed class FieldEncryption(KeyRing keys, TimeProvider time)
{
    private const int VersionFieldLength = 2 + KeyVersionId.TextLength;

    public async Task<FieldResponse> RunAsync(FieldRequest request, Call call)
    {
        using var _ = request;
        FieldRequestChecks.DemandWorkable(request);
        var name = KeyName.Require(request.Key, "key");
        var shared = RequestContexts.Require(request.SharedContext, "context");
        call.Record.ItemCount = request.ItemCount;
        ItemAuthorization.Authorize(call, name.Value, shared, request);
        var records = FieldRequestChecks.IsBatch(request) ? ItemRecords.Of(call, AuditEvent.AiItemEncrypted, request.ItemCount) : null;
        var answerLength = AnswerLength(request);
        FieldRequestChecks.DemandAnswerFits(answerLength);

        keys.Gate?.Demand();
        var key = await keys.FindForProtectionAsync(name.Value, call.CancellationToken) ?? throw Refusal.AccessDenied();
        var version = key.ForProtection(time.GetUtcNow());
        call.Record.KeyVersion = version.Id;
        call.Record.ByteCount = FieldRequestChecks.DataLength(request);
        var cipher = await version.CipherAsync(call.CancellationToken);
        var answer = Encrypt(request, shared, cipher, version.IdText, (int)answerLength);
        for (var item = 0; records is not null && item < request.ItemCount; item++)
        {
            records.Add(ItemContexts.Require(shared, request, item), name.Value, version.Id, request.Data(item).Length, reason: "");
        }

        return answer;
    }

    internal static long AnswerLength(FieldRequest request)
    {
        long length = VersionFieldLength;
        for (var item = 0; item < request.ItemCount; item++)
        {
            length += FieldResponseBuilder.ResultLength(request.Data(item).Length + FieldToken.Overhead1);
        }

        return length;
    }

    internal static FieldResponse Encrypt(
        FieldRequest request, EncryptionContext shared, FieldCipher cipher, string version, int answerLength)
    {
        var contexts = new ItemContexts(
            shared, stackalloc byte[EncryptionContext.MaxEncodedLength], stackalloc ContextEncoder.Entry[EncryptionContext.MaxPairs],
            stackalloc byte[EncryptionContext.MaxEncodedLength]);
        var batch = FieldRequestChecks.IsBatch(request);
        using var answer = new FieldResponseBuilder(answerLength);
        for (var item = 0; item < request.ItemCount; item++)
        {
            var plaintext = request.Data(item);
            var length = cipher.TokenLength(plaintext.Length);
            try
            {
                var token = batch ? answer.BeginData(length) : answer.BeginSingle(length);
                cipher.Encrypt(contexts.Of(request.ItemContext(item)), plaintext, token);
            }
            catch (InvalidContextException exception)
            {
                throw RequestContexts.Refused(FieldRequestChecks.ContextField(request, item), exception);
            }
        }

        return batch ? answer.Build(version) : answer.BuildSingle(key: null, version);
    }
}
