using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace KeyService.Crypto;

/// <summary>Collects a row's columns in the order the table fixes. docs/spec/row-mac.md.</summary>
public sealed class RowWriter
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ArrayBufferWriter<byte> _bytes = new(256);

    internal RowWriter(string table)
    {
        ArgumentException.ThrowIfNullOrEmpty(table);
        if (table.Length > 255 || !Ascii.IsValid(table))
        {
            throw new ArgumentException("A table's name is 1 to 255 characters of ASCII.", nameof(table));
        }
        _bytes.Write(RowMac.Label);
        BinaryPrimitives.WriteUInt16BigEndian(_bytes.GetSpan(2), (ushort)table.Length);
        _bytes.Advance(2);
        _bytes.Write(Encoding.ASCII.GetBytes(table));
    }

    /// <summary>A column without a value; not the same as an empty one.</summary>
    public RowWriter AddNull() => Add(RowColumnType.Null, []);

    /// <summary>A number; flags and enums too.</summary>
    public RowWriter AddInt64(long? value)
    {
        if (value is not { } number)
        {
            return AddNull();
        }
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, number);
        return Add(RowColumnType.Int64, bytes);
    }

    /// <summary>A text, null for no value.</summary>
    /// <exception cref="EncoderFallbackException">A lone surrogate.</exception>
    public RowWriter AddString(string? value) => value is null ? AddNull() : Add(RowColumnType.Text, Strict.GetBytes(value));

    /// <summary>Bytes, null for no value.</summary>
    public RowWriter AddBytes(byte[]? value) => value is null ? AddNull() : Add(RowColumnType.Bytes, value);

    /// <summary>Bytes.</summary>
    public RowWriter AddBytes(ReadOnlySpan<byte> value) => Add(RowColumnType.Bytes, value);

    /// <summary>The canonical bytes.</summary>
    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();

    private RowWriter Add(RowColumnType type, ReadOnlySpan<byte> value)
    {
        Span<byte> header = _bytes.GetSpan(5);
        header[0] = (byte)type;
        BinaryPrimitives.WriteUInt32BigEndian(header[1..], (uint)value.Length);
        _bytes.Advance(5);
        _bytes.Write(value);
        return this;
    }
}
