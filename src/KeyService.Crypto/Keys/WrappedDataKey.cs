namespace KeyService.Crypto;

/// <summary>
/// A data key wrapped by a key version: 69 bytes, opaque to callers. docs/spec/wrapped-data-key.md.
/// <code>format 0x01 | key-version id 8 | IV 12 | ciphertext 32 | tag 16</code>
/// A view over bytes that somebody else owns; parsing checks the shape only, the tag is checked where the key is.
/// </summary>
public readonly ref struct WrappedDataKey
{
    /// <summary>Bytes of the whole.</summary>
    public const int Length = 1 + KeyVersionId.Length + IvLength + DataKeyLength + TagLength;

    /// <summary>First byte.</summary>
    public const byte Format = 0x01;

    /// <summary>Bytes of the data key inside.</summary>
    public const int DataKeyLength = 32;

    /// <summary>Bytes of the IV.</summary>
    public const int IvLength = 12;

    /// <summary>Bytes of the tag.</summary>
    public const int TagLength = 16;

    private const int IvOffset = 1 + KeyVersionId.Length;
    private const int CiphertextOffset = IvOffset + IvLength;

    private readonly ReadOnlySpan<byte> _bytes;

    private WrappedDataKey(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <summary>The key version that wrapped it; never zero.</summary>
    public KeyVersionId VersionId => KeyVersionId.Read(_bytes[1..]);

    /// <summary>12 bytes.</summary>
    public ReadOnlySpan<byte> Iv => _bytes.Slice(IvOffset, IvLength);

    /// <summary>32 bytes.</summary>
    public ReadOnlySpan<byte> Ciphertext => _bytes.Slice(CiphertextOffset, DataKeyLength);

    /// <summary>16 bytes.</summary>
    public ReadOnlySpan<byte> Tag => _bytes.Slice(CiphertextOffset + DataKeyLength, TagLength);

    /// <summary>48 bytes: ciphertext and tag as a PKCS#11 module takes them.</summary>
    public ReadOnlySpan<byte> CiphertextAndTag => _bytes.Slice(CiphertextOffset, DataKeyLength + TagLength);

    /// <summary>All 69 bytes.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>Accepts exactly 69 bytes that begin with the format byte and name a key version other than zero.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out WrappedDataKey wrapped)
    {
        if (bytes.Length != Length || bytes[0] != Format || KeyVersionId.Read(bytes[1..]) == KeyVersionId.None)
        {
            wrapped = default;
            return false;
        }
        wrapped = new WrappedDataKey(bytes);
        return true;
    }

    /// <summary>Puts the parts together.</summary>
    /// <param name="destination">69 bytes.</param>
    /// <param name="versionId">Not zero.</param>
    /// <param name="iv">12 bytes.</param>
    /// <param name="ciphertextAndTag">48 bytes. May be the very place in <paramref name="destination"/> where they belong.</param>
    public static void Write(Span<byte> destination, KeyVersionId versionId, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> ciphertextAndTag)
    {
        if (destination.Length != Length || iv.Length != IvLength || ciphertextAndTag.Length != DataKeyLength + TagLength)
        {
            throw new ArgumentException("A wrapped data key is 69 bytes: IV 12, ciphertext 32, tag 16.");
        }
        ArgumentOutOfRangeException.ThrowIfEqual(versionId, KeyVersionId.None);
        ciphertextAndTag.CopyTo(destination[CiphertextOffset..]);
        iv.CopyTo(destination[IvOffset..]);
        destination[0] = Format;
        versionId.WriteTo(destination[1..]);
    }
}
