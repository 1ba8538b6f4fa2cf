using System.Text;
using KeyService.Crypto;
using KeyService.Protocol.Bulk;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Ciphering;

/// <summary>Decrypt and DecryptBatch: tokens of any key versions, opened straight into the answer's memory.</summary>
internal sealed class FieldDecryption(KeyRing keys)
{
    // Tags and lengths of DecryptResponse with the longest key name.
    private const int SingleRoom = 16 + KeyName.MaxLength + KeyVersionId.TextLength;

    public async Task<FieldResponse> RunAsync(FieldRequest request, Call call)
    {
        using var _ = request;
        FieldRequestChecks.DemandWorkable(request);
        var shared = RequestContexts.Require(request.SharedContext, "context");
        if (FieldRequestChecks.IsBatch(request))
        {
            ItemRecords.Of(call, AuditEvent.AiItemDecrypted, request.ItemCount);
        }

        var sources = await PrepareAsync(request, shared, keys, call);
        return Decrypt(request, shared, sources, call);
    }

    /// <summary>Finds and authorises the key versions of a request's tokens.</summary>
    /// <exception cref="Refusal">ACCESS_DENIED when nothing of it is granted.</exception>
    internal static async Task<TokenSources> PrepareAsync(FieldRequest request, EncryptionContext shared, KeyRing keys, Call call)
    {
        call.Record.ItemCount = request.ItemCount;
        call.Names(shared);
        var sources = await TokenSources.ResolveAsync(request, shared, keys, call);
        if (sources.AllDenied)
        {
            throw Refusal.AccessDenied();
        }

        call.AuthorizeItems();
        return sources;
    }

    /// <summary>What the record says of items that failed; the caller has each item's reason.</summary>
    internal static void RecordFailures(Call call, int failed, int items)
    {
        if (failed > 0)
        {
            call.Record.Detail = $"{failed} of {items} items refused";
        }
    }

    private static FieldResponse Decrypt(FieldRequest request, EncryptionContext shared, TokenSources sources, Call call)
    {
        var contexts = new ItemContexts(
            shared, stackalloc byte[EncryptionContext.MaxEncodedLength], stackalloc ContextEncoder.Entry[EncryptionContext.MaxPairs],
            stackalloc byte[EncryptionContext.MaxEncodedLength]);
        var opener = new TokenOpener(request, sources, shared, call, contexts);
        using var answer = new FieldResponseBuilder(AnswerRoom(request));
        if (!FieldRequestChecks.IsBatch(request))
        {
            return DecryptOne(ref opener, answer, call);
        }

        var failed = 0;
        for (var item = 0; item < request.ItemCount; item++)
        {
            var error = opener.Look(item, out var token);
            if (error != ItemError.None)
            {
                answer.AddError(ItemErrors.Name(error));
                failed++;
            }
            else if (!token.TryOpen(answer.BeginData(token.PlaintextLength)))
            {
                error = ItemError.DecryptionFailed;
                answer.ReplaceByError(ItemErrors.Name(error));
                failed++;
            }
            else
            {
                call.Record.ByteCount += token.PlaintextLength;
            }

            call.Items?.Add(
                ItemContexts.Require(shared, request, item), token.Source?.Version?.KeyName ?? "", token.Source?.Version?.Id, error == ItemError.None ? token.PlaintextLength : 0,
                error == ItemError.None ? "" : Encoding.ASCII.GetString(ItemErrors.Name(error)));
        }

        RecordFailures(call, failed, request.ItemCount);
        return answer.Build();
    }

    private static FieldResponse DecryptOne(ref TokenOpener opener, FieldResponseBuilder answer, Call call)
    {
        var error = opener.Look(0, out var token);
        if (error != ItemError.None)
        {
            throw ItemErrors.ToRefusal(error);
        }

        if (!token.TryOpen(answer.BeginSingle(token.PlaintextLength)))
        {
            throw Refusal.DecryptionFailed();
        }

        call.Record.ByteCount = token.PlaintextLength;
        return answer.BuildSingle(token.Source.Version!.KeyName, token.Source.Version.IdText);
    }

    private static int AnswerRoom(FieldRequest request)
    {
        var room = SingleRoom;
        var error = ItemErrors.Name(ItemError.DecryptionFailed).Length;
        for (var item = 0; item < request.ItemCount; item++)
        {
            room += FieldResponseBuilder.ResultLength(Math.Max(request.Data(item).Length - FieldToken.Overhead1, error));
        }

        return room;
    }
}
