using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>
/// Identity of a key version: a random 64-bit number, never reused, never zero (zero stands for "no key version" in associated data).
/// Written as 8 bytes big-endian in formats and as 16 lowercase hexadecimal digits in text.
/// </summary>
public readonly record struct KeyVersionId(ulong Value) : IComparable<KeyVersionId>
{
    /// <summary>Bytes of the binary form.</summary>
    public const int Length = 8;

    /// <summary>Characters of the text form.</summary>
    public const int TextLength = 16;

    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789abcdef");

    /// <summary>Stands in associated data where no key version is involved. No version has this id.</summary>
    public static KeyVersionId None => default;

    /// <summary>Draws a new id. Two of 10 million versions collide with probability 3e-6; the store's primary key refuses the second.</summary>
    public static KeyVersionId NewRandom()
    {
        Span<byte> bytes = stackalloc byte[Length];
        KeyVersionId id;
        do
        {
            RandomNumberGenerator.Fill(bytes);
            id = Read(bytes);
        }
        while (id == None);
        return id;
    }

    /// <summary>Parses exactly 16 lowercase hexadecimal digits, not all zero.</summary>
    public static bool TryParse(string? text, out KeyVersionId id) => TryParse(text.AsSpan(), out id);

    /// <inheritdoc cref="TryParse(string?, out KeyVersionId)"/>
    public static bool TryParse(ReadOnlySpan<char> text, out KeyVersionId id)
    {
        id = None;
        if (text.Length != TextLength || text.IndexOfAnyExcept(Digits) >= 0)
        {
            return false;
        }
        id = new KeyVersionId(ulong.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        return id != None;
    }

    /// <summary>Reads the first 8 bytes of <paramref name="source"/>.</summary>
    public static KeyVersionId Read(ReadOnlySpan<byte> source) => new(BinaryPrimitives.ReadUInt64BigEndian(source));

    /// <summary>Writes the first 8 bytes of <paramref name="destination"/>.</summary>
    public void WriteTo(Span<byte> destination) => BinaryPrimitives.WriteUInt64BigEndian(destination, Value);

    /// <inheritdoc/>
    public int CompareTo(KeyVersionId other) => Value.CompareTo(other.Value);

    /// <summary>16 lowercase hexadecimal digits.</summary>
    public override string ToString() => Value.ToString("x16", CultureInfo.InvariantCulture);

    public static bool operator <(KeyVersionId left, KeyVersionId right) => left.Value < right.Value;

    public static bool operator >(KeyVersionId left, KeyVersionId right) => left.Value > right.Value;

    public static bool operator <=(KeyVersionId left, KeyVersionId right) => left.Value <= right.Value;

    public static bool operator >=(KeyVersionId left, KeyVersionId right) => left.Value >= right.Value;
}
