namespace KeyService.Crypto;

/// <summary>
/// An encrypted field, in one of two formats. docs/spec/field-token.md.
/// <code>
/// 0x11 | key-version id 8 | nonce 24 | ciphertext | tag 16     made by the service under a bulk key: 49 bytes of overhead
/// 0x12 | data-key id 16   | nonce 24 | ciphertext | tag 16     made by the SDK under a data key: 57 bytes of overhead
/// </code>
/// A view over bytes that somebody else owns; parsing checks the shape only.
/// </summary>
public readonly ref struct FieldToken
{
    /// <summary>First byte of a token under a bulk key.</summary>
    public const byte Format1 = 0x11;

    /// <summary>First byte of a token under a data key.</summary>
    public const byte Format2 = 0x12;

    /// <summary>Bytes that the first format adds to a plaintext.</summary>
    public const int Overhead1 = 1 + KeyVersionId.Length + XAes256Gcm.NonceLength + XAes256Gcm.TagLength;

    /// <summary>Bytes that the second format adds to a plaintext.</summary>
    public const int Overhead2 = 1 + DataKeyIdLength + XAes256Gcm.NonceLength + XAes256Gcm.TagLength;

    /// <summary>Bytes of a data-key id.</summary>
    public const int DataKeyIdLength = 16;

    /// <summary>Bytes of a plaintext at most: 1 MiB. What is larger is an archive.</summary>
    public const int MaxPlaintextLength = 1 << 20;

    private readonly ReadOnlySpan<byte> _bytes;

    private FieldToken(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <summary><see cref="Format1"/> or <see cref="Format2"/>.</summary>
    public byte Format => _bytes[0];

    /// <summary>The key version whose bulk key made it; <see cref="KeyVersionId.None"/> in the second format.</summary>
    public KeyVersionId VersionId => Format == Format1 ? KeyVersionId.Read(_bytes[1..]) : KeyVersionId.None;

    /// <summary>16 bytes; empty in the first format.</summary>
    public ReadOnlySpan<byte> DataKeyId => Format == Format2 ? _bytes.Slice(1, DataKeyIdLength) : default;

    /// <summary>Bytes of the plaintext, 0 to 1 MiB.</summary>
    public int PlaintextLength => _bytes.Length - (Format == Format1 ? Overhead1 : Overhead2);

    /// <summary>24 bytes.</summary>
    public ReadOnlySpan<byte> Nonce => _bytes.Slice(HeaderLength, XAes256Gcm.NonceLength);

    /// <summary>As many bytes as the plaintext.</summary>
    public ReadOnlySpan<byte> Ciphertext => _bytes[(HeaderLength + XAes256Gcm.NonceLength)..^XAes256Gcm.TagLength];

    /// <summary>16 bytes.</summary>
    public ReadOnlySpan<byte> Tag => _bytes[^XAes256Gcm.TagLength..];

    /// <summary>All of it.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    private int HeaderLength => Format == Format1 ? 1 + KeyVersionId.Length : 1 + DataKeyIdLength;

    /// <summary>Accepts what has a known format byte, the length of an allowed plaintext and, in the first format, a key version other than zero.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out FieldToken token)
    {
        token = default;
        if (bytes.IsEmpty)
        {
            return false;
        }
        int overhead = bytes[0] switch
        {
            Format1 => Overhead1,
            Format2 => Overhead2,
            _ => int.MaxValue,
        };
        if (bytes.Length < overhead
            || bytes.Length - overhead > MaxPlaintextLength
            || (bytes[0] == Format1 && KeyVersionId.Read(bytes[1..]) == KeyVersionId.None))
        {
            return false;
        }
        token = new FieldToken(bytes);
        return true;
    }
}
