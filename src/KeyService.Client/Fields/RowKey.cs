using System.Runtime.CompilerServices;
using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>
/// One value of a row's key. Its text stands in the context of everything encrypted for the row (docs/spec/row-context.md): integers in
/// decimal, a UUID in lower case with hyphens, a date as 2026-11-23, text as it is. PostgreSQL's <c>id::text</c> says the same of the
/// same key, so the type in the program may change from int to long and nothing becomes unreadable.
/// </summary>
public readonly struct RowKey
{
    private readonly string? text;
    private readonly (ulong First, ulong Second) bits;
    private readonly Kind kind;

    private RowKey(Kind kind, ulong first, ulong second = 0)
    {
        this.kind = kind;
        bits = (first, second);
    }

    private RowKey(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        this.text = text;
        kind = Kind.Text;
    }

    private enum Kind : byte
    {
        None,
        Text,
        Signed,
        Unsigned,
        Uuid,
        Date,
    }

    /// <summary>True for 0, the empty text, the UUID of zeros and a default value: what a row has before it got its key.</summary>
    internal bool IsUnset => kind switch
    {
        Kind.Text => text!.Length == 0,
        Kind.Date => false,
        _ => bits == default,
    };

    /// <summary>A whole number.</summary>
    public static implicit operator RowKey(long value) => new(Kind.Signed, unchecked((ulong)value));

    /// <summary>A whole number.</summary>
    public static implicit operator RowKey(int value) => (long)value;

    /// <summary>A whole number.</summary>
    public static implicit operator RowKey(short value) => (long)value;

    /// <summary>A whole number.</summary>
    public static implicit operator RowKey(uint value) => (long)value;

    /// <summary>A whole number.</summary>
    public static implicit operator RowKey(ulong value) => new(Kind.Unsigned, value);

    /// <summary>A UUID.</summary>
    public static implicit operator RowKey(Guid value)
    {
        var (first, second) = Unsafe.BitCast<Guid, (ulong, ulong)>(value);
        return new RowKey(Kind.Uuid, first, second);
    }

    /// <summary>A date.</summary>
    public static implicit operator RowKey(DateOnly value) => new(Kind.Date, (ulong)value.DayNumber);

    /// <summary>Text, byte for byte: nothing is trimmed, folded or normalised. At most 1,024 bytes of UTF-8.</summary>
    public static implicit operator RowKey(string value) => new(value);

    internal void WriteTo(ref ContextTemplate.Filler filler)
    {
        switch (kind)
        {
            case Kind.Signed:
                filler.Add(unchecked((long)bits.First));
                break;
            case Kind.Unsigned:
                filler.Add(bits.First);
                break;
            case Kind.Uuid:
                filler.Add(Unsafe.BitCast<(ulong, ulong), Guid>(bits), "D");
                break;
            case Kind.Date:
                filler.Add(DateOnly.FromDayNumber((int)bits.First), "yyyy-MM-dd");
                break;
            case Kind.Text:
                filler.Add(text);
                break;
            default:
                throw new InvalidOperationException("The row's key was never set.");
        }
    }
}
