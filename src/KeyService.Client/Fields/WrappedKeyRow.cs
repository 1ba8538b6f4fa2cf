using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>One row of a <see cref="WrappedKeyTable"/>: a data key that only the service can unwrap.</summary>
/// <param name="Id">16 bytes; stands in every token made under the data key.</param>
/// <param name="Use">Fields or blind index; an unwrapping for another use fails.</param>
/// <param name="Key">Name of the key at the service, for the reader and for re-wrapping; not trusted.</param>
/// <param name="Context">Context of the data key, for re-wrapping; not trusted.</param>
/// <param name="Wrapped">69 bytes (docs/spec/wrapped-data-key.md).</param>
public sealed record WrappedKeyRow(ReadOnlyMemory<byte> Id, WrappedKeyUse Use, string Key, EncryptionContext Context, ReadOnlyMemory<byte> Wrapped)
{
    /// <summary>16 hexadecimal digits: the version that wrapped it.</summary>
    public string KeyVersion => WrappedDataKey.TryParse(Wrapped.Span, out var parsed) ? parsed.VersionId.ToString() : "";

    internal DataKeyScope Scope => Use == WrappedKeyUse.BlindIndex ? DataKeyScope.BlindIndex(Id.Span, Context) : DataKeyScope.Field(Id.Span, Context);
}

/// <summary>What a data key in the table is for. Frozen numbers, those of <c>DataKeyUse</c>.</summary>
public enum WrappedKeyUse
{
    /// <summary>Field tokens of the second format.</summary>
    Field = 2,

    /// <summary>A blind index.</summary>
    BlindIndex = 4,
}
