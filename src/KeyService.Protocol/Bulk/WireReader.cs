namespace KeyService.Protocol.Bulk;

/// <summary>
/// Reads the Protocol Buffers wire format from contiguous bytes without allocating
/// (https://protobuf.dev/programming-guides/encoding/). Never throws on bad input: <see cref="Failed"/> says it, and
/// reading then behaves as at the end.
/// </summary>
internal ref struct WireReader
{
    private const int MaxGroupDepth = 100;
    private readonly ReadOnlySpan<byte> _bytes;
    private int _position;
    private readonly int _end;

    /// <summary>Reads <paramref name="bytes"/> from <paramref name="start"/> to <paramref name="end"/>; positions are those of the
    /// whole.</summary>
    public WireReader(ReadOnlySpan<byte> bytes, int start, int end)
    {
        _bytes = bytes;
        _position = start;
        _end = end;
    }

    public bool Failed { get; private set; }

    /// <summary>The next tag (field number times 8 plus wire type), 0 at the end.</summary>
    public uint ReadTag()
    {
        if (Failed || _position == _end)
        {
            return 0;
        }

        // Field number 0 and wire types 6 and 7 do not exist. So uint.MaxValue, which stands for a field that a message does not have, is never read.
        var tag = (uint)ReadVarint();
        return tag >> 3 == 0 || (tag & 7) > 5 ? Fail() : tag;
    }

    /// <summary>The place of a length-delimited value.</summary>
    public Range32 ReadDelimited()
    {
        var length = ReadVarint();
        if (Failed || length > (ulong)(_end - _position))
        {
            Fail();
            return default;
        }

        var range = new Range32(_position, (int)length);
        _position += (int)length;
        return range;
    }

    /// <summary>Passes over a field that this reader does not know.</summary>
    public void Skip(uint tag) => Skip(tag, MaxGroupDepth);

    private void Skip(uint tag, int depth)
    {
        switch (tag & 7)
        {
            case 0:
                ReadVarint();
                break;
            case 1:
                Advance(8);
                break;
            case 2:
                ReadDelimited();
                break;
            case 3 when depth > 0:
                SkipGroup(tag, depth - 1);
                break;
            case 5:
                Advance(4);
                break;
            default:
                Fail();
                break;
        }
    }

    private void SkipGroup(uint startTag, int depth)
    {
        while (true)
        {
            var tag = ReadTag();
            if (tag == 0)
            {
                Fail();
                return;
            }

            if ((tag & 7) == 4)
            {
                if (tag >> 3 != startTag >> 3)
                {
                    Fail();
                }

                return;
            }

            Skip(tag, depth);
        }
    }

    public ulong ReadVarint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if (_position == _end)
            {
                break;
            }

            var next = _bytes[_position++];
            value |= shift < 64 ? (ulong)(next & 0x7F) << shift : 0;
            if (next < 0x80)
            {
                return value;
            }
        }

        return Fail();
    }

    private void Advance(int count)
    {
        if (_end - _position < count)
        {
            Fail();
            return;
        }

        _position += count;
    }

    private uint Fail()
    {
        Failed = true;
        _position = _end;
        return 0;
    }
}

/// <summary>A place in a message: offset and length in bytes.</summary>
internal readonly record struct Range32(int Start, int Length)
{
    public int End => Start + Length;

    public ReadOnlySpan<byte> Of(ReadOnlySpan<byte> bytes) => bytes.Slice(Start, Length);
}
