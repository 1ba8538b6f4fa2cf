using System.Numerics;

namespace KeyService.Protocol.Bulk;

/// <summary>Writes the Protocol Buffers wire format into a buffer whose size was computed before.</summary>
internal ref struct WireWriter(Span<byte> destination)
{
    private readonly Span<byte> _destination = destination;

    public int Position { get; set; }

    /// <summary>Bytes of a varint: 1 to 10.</summary>
    public static int VarintLength(ulong value) => (BitOperations.Log2(value | 1) / 7) + 1;

    /// <summary>Bytes of a length-delimited field with a field number below 16.</summary>
    public static int FieldLength(int valueLength) => 1 + VarintLength((ulong)valueLength) + valueLength;

    public void WriteVarint(ulong value)
    {
        while (value >= 0x80)
        {
            _destination[Position++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _destination[Position++] = (byte)value;
    }

    /// <summary>Tag and length; the value's bytes follow.</summary>
    public void WriteHeader(int fieldNumber, int valueLength)
    {
        _destination[Position++] = (byte)((fieldNumber << 3) | 2);
        WriteVarint((ulong)valueLength);
    }

    public void WriteField(int fieldNumber, ReadOnlySpan<byte> value)
    {
        WriteHeader(fieldNumber, value.Length);
        value.CopyTo(_destination[Position..]);
        Position += value.Length;
    }

    /// <summary>The next <paramref name="length"/> bytes, for the caller to fill.</summary>
    public Span<byte> Take(int length)
    {
        var place = _destination.Slice(Position, length);
        Position += length;
        return place;
    }
}
