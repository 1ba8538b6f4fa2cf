using System.Text;
using Google.Protobuf;
using KeyService.Fuzz.Engine;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>
/// The hand-written readers of the Cipher service's unary messages, held to the generated ones: what the former take the latter take, and read the
/// same; what the latter write the former read. The first byte of an input says which message it is.
/// </summary>
internal static class MessageTargets
{
    private static readonly byte[][] Words = [[0x0A], [0x12], [0x1A], [0x0A, 0x00], [0x12, 0x00], [0x0A, 0x06, 0x0A, 0x01, 0x6B, 0x12, 0x01, 0x76], [0x0B, 0x0C], [0x10, 0x01], [0x0D, 0, 0, 0, 0]];

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("field-request", [typeof(FieldRequest), typeof(FieldRequestIndex), typeof(WireReader)], Request) { AllocatedPerByte = 1024, Words = Words, Seeds = RequestSeeds },
        new("field-response", [typeof(FieldResponse)], Response) { AllocatedPerByte = 256, Words = Words, Seeds = ResponseSeeds },
    ];

    private static Outcome Request(byte[] input)
    {
        if (input.Length == 0)
        {
            return Outcome.Refused(-1);
        }
        var kind = (FieldMessage)(input[0] % 4);
        byte[] message = input[1..];
        IMessage? generated = Parse(() => Generated(kind, message), out bool isText);
        using FieldRequest request = FieldRequest.Read(kind, Segments.Of(message));
        if (request.Problem == FieldRequestProblem.None)
        {
            Unless(generated is not null || isText, "what the hand-written reader takes the generated one takes, but for its texts, which are judged later");
        }
        if (generated is not null)
        {
            if (request.Problem == FieldRequestProblem.None)
            {
                Compare(request, kind, generated);
            }
            using FieldRequest again = FieldRequest.Read(kind, Segments.Of(generated.ToByteArray()));
            Unless(again.Problem is FieldRequestProblem.None or FieldRequestProblem.TooManyItems, "what the generated class writes is read");
            Compare(again, kind, generated);
        }
        int detail = ((int)kind * 64) + ((int)request.Problem * 16) + Outcome.Step(request.ItemCount);
        return request.Problem == FieldRequestProblem.None ? Outcome.Taken((detail * 32) + request.SharedContext.Count) : Outcome.Refused(detail + (generated is null ? 1024 : 0));
    }

    private static IMessage Generated(FieldMessage kind, byte[] message) => kind switch
    {
        FieldMessage.Encrypt => EncryptRequest.Parser.ParseFrom(message),
        FieldMessage.Decrypt => DecryptRequest.Parser.ParseFrom(message),
        FieldMessage.EncryptBatch => EncryptBatchRequest.Parser.ParseFrom(message),
        _ => DecryptBatchRequest.Parser.ParseFrom(message),
    };

    private static IMessage GeneratedAnswer(FieldMessage kind, byte[] message) => kind switch
    {
        FieldMessage.Encrypt => EncryptResponse.Parser.ParseFrom(message),
        FieldMessage.Decrypt => DecryptResponse.Parser.ParseFrom(message),
        FieldMessage.EncryptBatch => EncryptBatchResponse.Parser.ParseFrom(message),
        _ => DecryptBatchResponse.Parser.ParseFrom(message),
    };

    // Texts that are not UTF-8 are refused by the generated classes. Here they are bytes until the name or the context that they are is checked.
    private static IMessage? Parse(Func<IMessage> parse, out bool isText)
    {
        isText = false;
        try
        {
            return parse();
        }
        catch (InvalidProtocolBufferException e)
        {
            isText = e.Message.Contains("UTF-8", StringComparison.Ordinal);
            return null;
        }
    }

    private static void Compare(FieldRequest request, FieldMessage kind, IMessage generated)
    {
        switch (generated)
        {
            case EncryptRequest one:
                Compare(request, one.Key, one.Context, [(one.Plaintext, null)]);
                break;
            case DecryptRequest one:
                Compare(request, "", one.Context, [(one.Ciphertext, null)]);
                break;
            case EncryptBatchRequest batch:
                Compare(request, batch.Key, batch.Context, [.. batch.Items.Select(item => (item.Plaintext, item.Context))]);
                break;
            case DecryptBatchRequest batch:
                Compare(request, "", batch.Context, [.. batch.Items.Select(item => (item.Ciphertext, item.Context))]);
                break;
            default:
                throw new BrokenPropertyException($"a message of kind {kind} has a generated class");
        }
    }

    private static void Compare(FieldRequest request, string key, Context? shared, (ByteString Data, Context? Context)[] items)
    {
        Unless(Encoding.UTF8.GetString(request.Key) == key, "the key's name is the same");
        Compare(request.SharedContext, shared);
        if (request.Problem == FieldRequestProblem.TooManyItems)
        {
            Unless(items.Length > BulkLimits.MaxItems, "too many items are too many for both");
            return;
        }
        Unless(request.ItemCount == items.Length, "there are as many items");
        for (int i = 0; i < items.Length; i++)
        {
            UnlessSame(items[i].Data.Span, request.Data(i), "the data of each item is the same");
            Compare(request.ItemContext(i), items[i].Context);
        }
    }

    // The hand-written reader stops at one entry more than a context may have.
    private static void Compare(ContextEntries entries, Context? context)
    {
        int count = Math.Min(context?.Entries.Count ?? 0, BulkLimits.MaxContextEntries + 1);
        Unless(entries.Count == count, "there are as many entries of context");
        for (int i = 0; i < count; i++)
        {
            Unless(Encoding.UTF8.GetString(entries.Key(i)) == context!.Entries[i].Key && Encoding.UTF8.GetString(entries.Value(i)) == context.Entries[i].Value, "the entries are the same");
        }
    }

    private static Outcome Response(byte[] input)
    {
        if (input.Length == 0)
        {
            return Outcome.Refused(-1);
        }
        var kind = (FieldMessage)(input[0] % 4);
        byte[] message = input[1..];
        IMessage? generated = Parse(() => GeneratedAnswer(kind, message), out bool isText);
        if (generated is not null)
        {
            using FieldResponse again = FieldResponse.Read(kind, Segments.Of(generated.ToByteArray()));
            Compare(again, generated);
        }
        try
        {
            using FieldResponse response = FieldResponse.Read(kind, Segments.Of(message));
            Unless(generated is not null || isText, "what the hand-written reader takes the generated one takes, but for its texts");
            if (generated is not null)
            {
                Compare(response, generated);
            }
            return Outcome.Taken(((int)kind * 64) + Outcome.Step(response.ResultCount));
        }
        catch (FormatException)
        {
            return Outcome.Refused(((int)kind * 2) + (generated is null ? 0 : 1));
        }
    }

    private static void Compare(FieldResponse response, IMessage generated)
    {
        switch (generated)
        {
            case EncryptResponse one:
                Compare(response, "", one.KeyVersion, [new CipherResult { Data = one.Ciphertext }]);
                break;
            case DecryptResponse one:
                Compare(response, one.Key, one.KeyVersion, [new CipherResult { Data = one.Plaintext }]);
                break;
            case EncryptBatchResponse batch:
                Compare(response, "", batch.KeyVersion, [.. batch.Results]);
                break;
            case DecryptBatchResponse batch:
                Compare(response, "", "", [.. batch.Results]);
                break;
        }
    }

    private static void Compare(FieldResponse response, string key, string keyVersion, CipherResult[] results)
    {
        Unless(response.Key == key && response.KeyVersion == keyVersion, "key and key version are the same");
        Unless(response.ResultCount == results.Length, "there are as many results");
        for (int i = 0; i < results.Length; i++)
        {
            bool isData = response.TryGetData(i, out ReadOnlySpan<byte> data);
            Unless(isData == (results[i].ResultCase != CipherResult.ResultOneofCase.Error), "data and errors are told apart alike");
            UnlessSame(results[i].Data.Span, data, "the data of each result is the same");
            Unless(response.Error(i) == results[i].Error, "the error of each result is the same");
        }
    }

    private static IEnumerable<(string Name, byte[] Input)> RequestSeeds()
    {
        var context = new Context { Entries = { new ContextEntry { Key = "tenant", Value = "st-mary" }, new ContextEntry { Key = "table", Value = "labs" } } };
        var row = new Context { Entries = { new ContextEntry { Key = "row", Value = "4711" } } };
        ByteString data = ByteString.CopyFromUtf8("Befund");
        yield return ("encrypt", [0, .. new EncryptRequest { Key = "ehr/one", Context = context, Plaintext = data }.ToByteArray()]);
        yield return ("decrypt", [1, .. new DecryptRequest { Context = context, Ciphertext = data }.ToByteArray()]);
        yield return ("encrypt-batch", [2, .. new EncryptBatchRequest
        {
            Key = "ehr/one", Context = context, Items = { new EncryptItem { Plaintext = data, Context = row }, new EncryptItem(), new EncryptItem { Plaintext = data } },
        }.ToByteArray()]);
        yield return ("decrypt-batch", [3, .. new DecryptBatchRequest { Context = context, Items = { new DecryptItem { Ciphertext = data, Context = row }, new DecryptItem() } }.ToByteArray()]);
        yield return ("nothing", [2]);
    }

    private static IEnumerable<(string Name, byte[] Input)> ResponseSeeds()
    {
        ByteString data = ByteString.CopyFromUtf8("Befund");
        CipherResult[] results = [new() { Data = data }, new() { Error = "DECRYPTION_FAILED" }, new()];
        yield return ("encrypt", [0, .. new EncryptResponse { Ciphertext = data, KeyVersion = "0123456789abcdef" }.ToByteArray()]);
        yield return ("decrypt", [1, .. new DecryptResponse { Plaintext = data, Key = "ehr/one", KeyVersion = "0123456789abcdef" }.ToByteArray()]);
        yield return ("encrypt-batch", [2, .. new EncryptBatchResponse { Results = { results }, KeyVersion = "0123456789abcdef" }.ToByteArray()]);
        yield return ("decrypt-batch", [3, .. new DecryptBatchResponse { Results = { results } }.ToByteArray()]);
    }
}
