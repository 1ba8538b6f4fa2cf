using KeyService.Crypto;
using KeyService.Protocol.Bulk;

namespace KeyService.Server.Ciphering;

/// <summary>Makes the effective context of each item, shared pairs and its own, in memory of the caller's stack: no object an
/// item.</summary>
internal ref struct ItemContexts
{
    private readonly EncryptionContext _shared;
    private readonly Span<byte> _encoded;
    private readonly int _mark;
    private ContextEncoder _encoder;

    /// <param name="shared">The call's context.</param>
    /// <param name="text">4,096 bytes.</param>
    /// <param name="entries">16 entries.</param>
    /// <param name="encoded">4,096 bytes.</param>
    public ItemContexts(EncryptionContext shared, Span<byte> text, Span<ContextEncoder.Entry> entries, Span<byte> encoded)
    {
        _shared = shared;
        _encoded = encoded;
        _encoder = new ContextEncoder(text, entries);
        _encoder.Add(shared);
        _mark = _encoder.Mark;
    }

    /// <summary>The effective context of an item, as an object.</summary>
    /// <exception cref="Refusal">INVALID_CONTEXT.</exception>
    public static EncryptionContext Require(EncryptionContext shared, FieldRequest request, int item) =>
        RequestContexts.RequireMerged(shared, request.ItemContext(item), FieldRequestChecks.ContextField(request, item));

    /// <summary>The effective context of an item; valid until the next call.</summary>
    /// <exception cref="InvalidContextException">A rule is broken.</exception>
    public CanonicalContext Of(ContextEntries own)
    {
        if (own.Count == 0)
        {
            return _shared;
        }

        _encoder.ReturnTo(_mark);
        for (var entry = 0; entry < own.Count; entry++)
        {
            _encoder.Add(own.Key(entry), own.Value(entry));
        }

        return _encoder.Encode(_encoded);
    }
}
