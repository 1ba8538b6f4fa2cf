using System.Text;

namespace KeyService.Crypto.Backups;

/// <summary>The integrity key under the backup key. A view, good until the reader reads on.</summary>
/// <param name="Blob">41 bytes (docs/spec/key-blob.md).</param>
/// <param name="CheckValue">32 bytes.</param>
public readonly record struct BundleIntegrityKey(ReadOnlyMemory<byte> Blob, ReadOnlyMemory<byte> CheckValue);

/// <summary>A key: its name and policy. <c>name length 1 | name | attributes</c>. A view, good until the reader reads on.</summary>
public readonly struct BundleKey
{
    private static ReadOnlySpan<BundleAttributeId> RequiredAttributes =>
        [BundleAttributeId.CreatedAt, BundleAttributeId.Purpose, BundleAttributeId.PrimaryVersion, BundleAttributeId.RotationPeriodSeconds];

    private readonly ReadOnlyMemory<byte> _name;

    private BundleKey(ReadOnlyMemory<byte> name, BundleAttributes attributes)
    {
        _name = name;
        Attributes = attributes;
    }

    /// <summary>1 to 128 characters of printable ASCII.</summary>
    public string Name => Encoding.ASCII.GetString(_name.Span);

    /// <summary>Purpose, policy, primary version.</summary>
    public BundleAttributes Attributes { get; }

    internal ReadOnlySpan<byte> NameBytes => _name.Span;

    /// <summary>Writes the body.</summary>
    /// <exception cref="ArgumentException">The name or the attributes break a rule.</exception>
    internal static int Write(Span<byte> body, string name, ReadOnlySpan<BundleAttribute> attributes)
    {
        if (name.Length is 0 or > BundleFormat.MaxNameLength || name.AsSpan().ContainsAnyExceptInRange('!', '~'))
        {
            throw new ArgumentException($"A key's name is 1 to {BundleFormat.MaxNameLength} characters of printable ASCII without spaces.", nameof(name));
        }
        body[0] = (byte)name.Length;
        int used = 1 + Encoding.ASCII.GetBytes(name, body[1..]);
        return used + BundleAttributes.Write(body[used..], attributes, RequiredAttributes);
    }

    internal static bool TryTake(ReadOnlyMemory<byte> body, out BundleKey key)
    {
        key = default;
        if (body.IsEmpty || body.Span[0] is 0 or > BundleFormat.MaxNameLength || body.Length < 1 + body.Span[0])
        {
            return false;
        }
        ReadOnlyMemory<byte> name = body.Slice(1, body.Span[0]);
        if (name.Span.ContainsAnyExceptInRange((byte)'!', (byte)'~')
            || !BundleAttributes.TryTake(body[(1 + name.Length)..], RequiredAttributes, out BundleAttributes attributes, out ReadOnlyMemory<byte> rest)
            || !rest.IsEmpty)
        {
            return false;
        }
        key = new BundleKey(name, attributes);
        return true;
    }
}

/// <summary>
/// A key version: <c>id 8 | attributes | material 1 | check value 69 | KEK under the backup key 41 | bulk key under the KEK 69</c>; the last three only
/// when material is 1 (a destroyed version has none). A view, good until the reader reads on.
/// </summary>
public readonly struct BundleVersion
{
    private static ReadOnlySpan<BundleAttributeId> RequiredAttributes => [BundleAttributeId.CreatedAt, BundleAttributeId.State, BundleAttributeId.WrapsReserved];

    private readonly ReadOnlyMemory<byte> _material;

    private BundleVersion(KeyVersionId id, BundleAttributes attributes, ReadOnlyMemory<byte> material)
    {
        Id = id;
        Attributes = attributes;
        _material = material;
    }

    /// <summary>Never zero.</summary>
    public KeyVersionId Id { get; }

    /// <summary>State, times, count of encryptions.</summary>
    public BundleAttributes Attributes { get; }

    /// <summary>Whether the wrapped keys stand here.</summary>
    public bool HasMaterial => !_material.IsEmpty;

    /// <summary>69 bytes: what the unwrapped KEK must open.</summary>
    public ReadOnlyMemory<byte> CheckValue => _material[..WrappedDataKey.Length];

    /// <summary>41 bytes.</summary>
    public ReadOnlyMemory<byte> KekBlob => _material.Slice(WrappedDataKey.Length, BundleFormat.KeyBlobLength);

    /// <summary>69 bytes.</summary>
    public ReadOnlyMemory<byte> BulkKey => _material[(WrappedDataKey.Length + BundleFormat.KeyBlobLength)..];

    /// <summary>Writes the body.</summary>
    /// <exception cref="ArgumentException">The attributes break a rule, or a wrapped key is none, or is another version's.</exception>
    internal static int Write(Span<byte> body, KeyVersionId id, ReadOnlySpan<BundleAttribute> attributes, BundleMaterial? material)
    {
        ArgumentOutOfRangeException.ThrowIfEqual(id, KeyVersionId.None);
        id.WriteTo(body);
        int used = KeyVersionId.Length;
        used += BundleAttributes.Write(body[used..], attributes, RequiredAttributes);
        body[used++] = material is null ? (byte)0 : (byte)1;
        if (material is not { } wrapped)
        {
            return used;
        }
        wrapped.CheckValue.Span.CopyTo(body[used..]);
        wrapped.KekBlob.Span.CopyTo(body[(used + wrapped.CheckValue.Length)..]);
        wrapped.BulkKey.Span.CopyTo(body[(used + wrapped.CheckValue.Length + wrapped.KekBlob.Length)..]);
        int length = wrapped.CheckValue.Length + wrapped.KekBlob.Length + wrapped.BulkKey.Length;
        return length == BundleFormat.MaterialLength && wrapped.KekBlob.Length == BundleFormat.KeyBlobLength && IsMaterial(body.Slice(used, length), id)
            ? used + length
            : throw new ArgumentException("Check value, wrapped KEK or bulk key are not such, or are another version's.", nameof(material));
    }

    internal static bool TryTake(ReadOnlyMemory<byte> body, out BundleVersion version)
    {
        version = default;
        if (body.Length < KeyVersionId.Length || KeyVersionId.Read(body.Span) is var id && id == KeyVersionId.None
            || !BundleAttributes.TryTake(body[KeyVersionId.Length..], RequiredAttributes, out BundleAttributes attributes, out ReadOnlyMemory<byte> rest)
            || rest.IsEmpty || rest.Span[0] > 1 || rest.Length != 1 + (rest.Span[0] * BundleFormat.MaterialLength)
            || (rest.Span[0] == 1 && !IsMaterial(rest.Span[1..], id)))
        {
            return false;
        }
        version = new BundleVersion(id, attributes, rest[1..]);
        return true;
    }

    // The shape, and that each names this version; whether they open is seen where the backup key is.
    private static bool IsMaterial(ReadOnlySpan<byte> material, KeyVersionId id) =>
        WrappedDataKey.TryParse(material[..WrappedDataKey.Length], out WrappedDataKey checkValue) && checkValue.VersionId == id
        && material[WrappedDataKey.Length] == BundleFormat.AesKeyWrap
        && WrappedDataKey.TryParse(material[(WrappedDataKey.Length + BundleFormat.KeyBlobLength)..], out WrappedDataKey bulkKey) && bulkKey.VersionId == id;
}

/// <summary>The wrapped keys of a version.</summary>
/// <param name="CheckValue">69 bytes.</param>
/// <param name="KekBlob">The KEK under the backup key, 41 bytes.</param>
/// <param name="BulkKey">The bulk key under the KEK, 69 bytes.</param>
public readonly record struct BundleMaterial(ReadOnlyMemory<byte> CheckValue, ReadOnlyMemory<byte> KekBlob, ReadOnlyMemory<byte> BulkKey);
