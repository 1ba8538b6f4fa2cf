using System.Buffers;
using System.Buffers.Binary;
using System.Text.Unicode;

namespace KeyService.Crypto;

/// <summary>
/// Collects pairs in any order and writes them in the canonical one. Works on two buffers of the caller's stack: a context is made for
/// every item of a batch, and only its final bytes are worth an allocation, or none at all (<see cref="Encode"/>).
/// </summary>
public ref struct ContextEncoder
{
    private readonly Span<byte> _text;
    private readonly Span<Entry> _entries;
    private int _used;

    /// <param name="text">4,096 bytes.</param>
    /// <param name="entries">16 entries.</param>
    public ContextEncoder(Span<byte> text, Span<Entry> entries)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(text.Length, EncryptionContext.MaxEncodedLength, nameof(text));
        ArgumentOutOfRangeException.ThrowIfLessThan(entries.Length, EncryptionContext.MaxPairs, nameof(entries));
        _text = text[..EncryptionContext.MaxEncodedLength];
        _entries = entries;
        _used = 2;
    }

    /// <summary>Pairs collected.</summary>
    public int Count { get; private set; }

    /// <summary>What was collected so far, for <see cref="ReturnTo"/>.</summary>
    public readonly int Mark => _used;

    /// <summary>Forgets what was added after the mark.</summary>
    public void ReturnTo(int mark)
    {
        int kept = 0;
        foreach (Entry entry in _entries[..Count])
        {
            if (entry.Offset < mark)
            {
                _entries[kept++] = entry;
            }
        }
        Count = kept;
        _used = mark;
    }

    /// <summary>Adds a pair of UTF-8 bytes as they came from outside.</summary>
    /// <exception cref="InvalidContextException">A rule is broken.</exception>
    public void Add(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        Begin();
        Check(key, 1, EncryptionContext.MaxKeyLength, "key");
        Check(value, 0, EncryptionContext.MaxValueLength, "value");
        Write(key);
        Write(value);
        End(key.Length, value.Length);
    }

    /// <summary>Adds all pairs of a context.</summary>
    /// <exception cref="InvalidContextException">A rule is broken.</exception>
    public void Add(EncryptionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        AddAll(context.Encoded);
    }

    /// <summary>Writes the canonical bytes without an allocation.</summary>
    /// <param name="destination">At least 4,096 bytes, not those given to the constructor.</param>
    public readonly CanonicalContext Encode(Span<byte> destination)
    {
        int length = WriteTo(destination);
        return new CanonicalContext(destination[..length]);
    }

    internal void Add(string key, string value)
    {
        if (key is null || value is null)
        {
            throw new InvalidContextException("A context key or value is null.");
        }
        Begin();
        int keyLength = Write(key, 1, EncryptionContext.MaxKeyLength, "key");
        int valueLength = Write(value, 0, EncryptionContext.MaxValueLength, "value");
        End(keyLength, valueLength);
    }

    /// <summary>All pairs of an encoded context that is known to be canonical.</summary>
    internal void AddAll(ReadOnlySpan<byte> canonical)
    {
        var reader = new ContextDecoder(canonical);
        for (int i = 0; i < reader.Count; i++)
        {
            reader.Next(out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value);
            Begin();
            Write(key);
            Write(value);
            End(key.Length, value.Length);
        }
    }

    internal readonly byte[] Finish()
    {
        int length = 2;
        foreach (Entry entry in _entries[..Count])
        {
            length += 4 + entry.KeyLength + entry.ValueLength;
        }
        var encoded = new byte[length];
        WriteTo(encoded);
        return encoded;
    }

    private readonly int WriteTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)Count);
        int at = 2;
        foreach (Entry entry in _entries[..Count])
        {
            int length = 4 + entry.KeyLength + entry.ValueLength;
            _text.Slice(entry.Offset, length).CopyTo(destination[at..]);
            at += length;
        }
        return at;
    }

    private static void Check(ReadOnlySpan<byte> text, int min, int max, string what)
    {
        if (text.Length < min || text.Length > max)
        {
            throw new InvalidContextException($"A context {what} has {min} to {max} bytes of UTF-8.");
        }
        if (!Utf8.IsValid(text))
        {
            throw new InvalidContextException($"A context {what} is not valid UTF-8.");
        }
        if (ContextText.HasForbidden(text))
        {
            throw new InvalidContextException($"A context {what} holds U+0000 or U+FFFD, which are refused.");
        }
    }

    private readonly void Begin()
    {
        if (Count == EncryptionContext.MaxPairs)
        {
            throw new InvalidContextException("A context has at most 16 pairs.");
        }
    }

    private int Write(string text, int min, int max, string what)
    {
        Span<byte> room = _text[_used..];
        if (room.Length < 2)
        {
            throw TooLarge();
        }
        OperationStatus status = Utf8.FromUtf16(text, room[2..], out _, out int length, replaceInvalidSequences: false);
        if (status == OperationStatus.InvalidData || status == OperationStatus.NeedMoreData)
        {
            throw new InvalidContextException($"A context {what} has a lone surrogate: it is not Unicode text.");
        }
        if (status == OperationStatus.DestinationTooSmall)
        {
            throw TooLarge();
        }
        if (length < min || length > max)
        {
            throw new InvalidContextException($"A context {what} has {min} to {max} bytes of UTF-8.");
        }
        if (ContextText.HasForbidden(room.Slice(2, length)))
        {
            throw new InvalidContextException($"A context {what} holds U+0000 or U+FFFD, which are refused.");
        }
        BinaryPrimitives.WriteUInt16BigEndian(room, (ushort)length);
        _used += 2 + length;
        return length;
    }

    private void Write(ReadOnlySpan<byte> text)
    {
        Span<byte> room = _text[_used..];
        if (room.Length < 2 + text.Length)
        {
            throw TooLarge();
        }
        BinaryPrimitives.WriteUInt16BigEndian(room, (ushort)text.Length);
        text.CopyTo(room[2..]);
        _used += 2 + text.Length;
    }

    // Insertion sort: at most 16 entries, which callers mostly give in order.
    private void End(int keyLength, int valueLength)
    {
        var entry = new Entry(_used - 4 - keyLength - valueLength, keyLength, valueLength);
        int at = Count;
        int order = -1;
        // First the place, then the move: after a refusal the entries are what they were, and ReturnTo can go on with them.
        while (at > 0 && (order = Key(_entries[at - 1]).SequenceCompareTo(Key(entry))) > 0)
        {
            at--;
        }
        if (at > 0 && order == 0)
        {
            _used = entry.Offset;
            throw new InvalidContextException("A context key stands twice.");
        }
        _entries[at..Count].CopyTo(_entries[(at + 1)..]);
        _entries[at] = entry;
        Count++;
    }

    private readonly Span<byte> Key(Entry entry) => _text.Slice(entry.Offset + 2, entry.KeyLength);

    private static InvalidContextException TooLarge() => new("A context has at most 4096 bytes encoded.");

    /// <summary>Where a pair stands in the text buffer, from the two bytes of its key's length.</summary>
    public readonly record struct Entry(int Offset, int KeyLength, int ValueLength);
}
