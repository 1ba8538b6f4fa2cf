using System.Buffers.Binary;

namespace KeyService.Crypto;

/// <summary>Reads the pairs of an encoded context.</summary>
internal ref struct ContextDecoder
{
    private ReadOnlySpan<byte> _rest;

    /// <param name="encoded">At least the two bytes of the count.</param>
    internal ContextDecoder(ReadOnlySpan<byte> encoded)
    {
        Count = BinaryPrimitives.ReadUInt16BigEndian(encoded);
        _rest = encoded[2..];
    }

    internal int Count { get; }

    private readonly bool AtEnd => _rest.IsEmpty;

    /// <summary>Every rule of docs/spec/context.md, for bytes that come from outside.</summary>
    internal static bool IsCanonical(ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length is < 2 or > EncryptionContext.MaxEncodedLength)
        {
            return false;
        }
        var reader = new ContextDecoder(encoded);
        if (reader.Count > EncryptionContext.MaxPairs)
        {
            return false;
        }
        ReadOnlySpan<byte> previous = default;
        for (int i = 0; i < reader.Count; i++)
        {
            // A key has at least one byte, so the first one is greater than the empty "previous".
            if (!reader.TryNext(out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
                || key.Length > EncryptionContext.MaxKeyLength
                || value.Length > EncryptionContext.MaxValueLength
                || previous.SequenceCompareTo(key) >= 0
                || !ContextText.IsAllowed(key)
                || !ContextText.IsAllowed(value))
            {
                return false;
            }
            previous = key;
        }
        return reader.AtEnd;
    }

    /// <summary>The next pair of bytes that are known to be canonical.</summary>
    internal void Next(out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        if (!TryNext(out key, out value))
        {
            throw new InvalidOperationException("The context has no further pair.");
        }
    }

    private bool TryNext(out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        value = default;
        return TryText(out key) && TryText(out value);
    }

    private bool TryText(out ReadOnlySpan<byte> text)
    {
        text = default;
        if (!BinaryPrimitives.TryReadUInt16BigEndian(_rest, out ushort length) || _rest.Length - 2 < length)
        {
            return false;
        }
        text = _rest.Slice(2, length);
        _rest = _rest[(2 + length)..];
        return true;
    }
}
