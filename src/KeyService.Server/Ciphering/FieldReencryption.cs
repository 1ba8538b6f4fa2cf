using KeyService.Crypto;
using KeyService.Protocol.Bulk;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Ciphering;

/// <summary>ReencryptBatch: tokens of any key versions become tokens of the same keys' active versions; no plaintext is answered.</summary>
internal sealed class FieldReencryption(KeyRing keys, TimeProvider time)
{
    public async Task<FieldResponse> RunAsync(FieldRequest request, Call call)
    {
        using var _ = request;
        FieldRequestChecks.DemandWorkable(request);
        var shared = RequestContexts.Require(request.SharedContext, "context");
        var sources = await FieldDecryption.PrepareAsync(request, shared, keys, call);
        var room = AnswerRoom(request);
        FieldRequestChecks.DemandAnswerFits(room);

        var targets = new Dictionary<TokenSource, FieldCipher>();
        foreach (var source in sources.All)
        {
            if (source.Version is { } version)
            {
                keys.Gate?.Demand();
                var key = await keys.FindForProtectionAsync(version.KeyName, call.CancellationToken) ?? throw Refusal.AccessDenied();
                targets[source] = await key.ForProtection(time.GetUtcNow()).CipherAsync(call.CancellationToken);
            }
        }

        return Reencrypt(request, shared, sources, targets, call, (int)room);
    }

    private static FieldResponse Reencrypt(
        FieldRequest request, EncryptionContext shared, TokenSources sources, Dictionary<TokenSource, FieldCipher> targets,
        Call call, int room)
    {
        var contexts = new ItemContexts(
            shared, stackalloc byte[EncryptionContext.MaxEncodedLength], stackalloc ContextEncoder.Entry[EncryptionContext.MaxPairs],
            stackalloc byte[EncryptionContext.MaxEncodedLength]);
        var opener = new TokenOpener(request, sources, shared, call, contexts);
        using var answer = new FieldResponseBuilder(room);
        using var plaintexts = new PooledBytes(LongestItem(request));
        var failed = 0;
        for (var item = 0; item < request.ItemCount; item++)
        {
            var error = opener.Look(item, out var token);
            if (error == ItemError.None)
            {
                var plaintext = plaintexts.Span[..token.PlaintextLength];
                if (token.TryOpen(plaintext))
                {
                    var target = targets[token.Source];
                    target.Encrypt(token.Context, plaintext, answer.BeginData(target.TokenLength(plaintext.Length)));
                    call.Record.ByteCount += plaintext.Length;
                    continue;
                }

                error = ItemError.DecryptionFailed;
            }

            answer.AddError(ItemErrors.Name(error));
            failed++;
        }

        FieldDecryption.RecordFailures(call, failed, request.ItemCount);
        return answer.Build();
    }

    // A token becomes a token of the same length.
    private static long AnswerRoom(FieldRequest request)
    {
        var room = 0L;
        var error = ItemErrors.Name(ItemError.DecryptionFailed).Length;
        for (var item = 0; item < request.ItemCount; item++)
        {
            room += FieldResponseBuilder.ResultLength(Math.Max(request.Data(item).Length, error));
        }

        return room;
    }

    private static int LongestItem(FieldRequest request)
    {
        var longest = 0;
        for (var item = 0; item < request.ItemCount; item++)
        {
            longest = Math.Max(longest, request.Data(item).Length);
        }

        return longest;
    }
}
