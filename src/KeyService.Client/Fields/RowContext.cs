using System.Runtime.CompilerServices;
using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>
/// One column of one row: what a field is bound to, so that its token opens nowhere else. Made by <see cref="EncryptedColumn.Row(RowKey)"/>
/// only; everything that encrypts or decrypts takes one, so a field that could be moved to another row cannot be written.
/// </summary>
public readonly struct RowContext
{
    private readonly EncryptedColumn? column;
    private readonly ContextTemplate? template;
    private readonly RowKeys keys;

    internal RowContext(EncryptedColumn column, ContextTemplate template, RowKeys keys)
    {
        this.column = column;
        this.template = template;
        this.keys = keys;
    }

    /// <summary>The column.</summary>
    public EncryptedColumn Column => column ?? throw Unset();

    /// <summary>The same as an object, for calls to the service.</summary>
    /// <exception cref="InvalidContextException">A key's text breaks a rule of contexts.</exception>
    [SkipLocalsInit]
    public EncryptionContext ToEncryptionContext()
    {
        Span<byte> buffer = stackalloc byte[EncryptionContext.MaxEncodedLength];
        return EncryptionContext.TryParse(Encode(buffer).Encoded, out var context)
            ? context
            : throw new InvalidOperationException("The template made something that is no context.");
    }

    internal CanonicalContext Encode(Span<byte> buffer)
    {
        var filling = template ?? throw Unset();
        var filler = filling.Begin(buffer);
        for (var i = 0; i < filling.OpenCount; i++)
        {
            keys[i].WriteTo(ref filler);
        }
        return filler.Finish();
    }

    /// <summary>The column; the row's key is not shown.</summary>
    public override string ToString() => column is null ? "RowContext()" : $"RowContext({column.Table}.{column.Column})";

    private static InvalidOperationException Unset() => new("A RowContext comes from EncryptedColumn.Row(…).");
}

/// <summary>Up to four values of a row's key.</summary>
[InlineArray(Most)]
internal struct RowKeys
{
    public const int Most = 4;
    private RowKey first;
}
