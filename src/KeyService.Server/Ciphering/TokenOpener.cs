using KeyService.Crypto;
using KeyService.Protocol.Bulk;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Ciphering;

/// <summary>A token that may be tried, with everything that trying it takes.</summary>
internal readonly ref struct OpenableToken(TokenSource source, CanonicalContext context, ReadOnlySpan<byte> bytes, int plaintextLength)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public TokenSource Source { get; } = source;

    /// <summary>The effective context; valid until the next token.</summary>
    public CanonicalContext Context { get; } = context;

    public int PlaintextLength { get; } = plaintextLength;

    /// <summary>False, and zeros, when it does not open.</summary>
    public bool TryOpen(Span<byte> plaintext) => Source.Cipher!.TryDecrypt(Context, _bytes, plaintext);
}

/// <summary>Goes through the tokens of a request.</summary>
internal ref struct TokenOpener(FieldRequest request, TokenSources sources, EncryptionContext shared, Call call, ItemContexts contexts)
{
    private ItemContexts _contexts = contexts;

    /// <summary>Looks at one token; <see cref="ItemError.None"/> when it may be tried.</summary>
    /// <exception cref="Refusal">INVALID_CONTEXT.</exception>
    public ItemError Look(int item, out OpenableToken token)
    {
        token = default;
        var bytes = request.Data(item);
        if (!FieldToken.TryParse(bytes, out var parsed) || parsed.Format != FieldToken.Format1)
        {
            return ItemError.DecryptionFailed;
        }

        var source = sources[parsed.VersionId];
        if (source.Error != ItemError.None)
        {
            return source.Error;
        }

        if (source.AsksPerItem && !ItemAuthorization.Covers(call, source.Version!.KeyName, shared, request, item))
        {
            return ItemError.AccessDenied;
        }

        try
        {
            token = new OpenableToken(source, _contexts.Of(request.ItemContext(item)), bytes, parsed.PlaintextLength);
            return ItemError.None;
        }
        catch (InvalidContextException exception)
        {
            throw RequestContexts.Refused(FieldRequestChecks.ContextField(request, item), exception);
        }
    }
}
