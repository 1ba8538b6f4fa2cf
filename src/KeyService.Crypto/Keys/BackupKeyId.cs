using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>
/// Which backup key a share, a token or a bundle is of, derived from its value: docs/spec/key-blob.md. It says nothing about the value that can be used
/// without it, so it is printed, read aloud and compared.
/// </summary>
public static class BackupKeyId
{
    /// <summary>Bytes of a backup key: AES-256.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes of an id; 16 small hexadecimal digits in text.</summary>
    public const int Length = 8;

    /// <summary>Key data with a known value: two holders of a backup key compare what they wrap it to, without showing the key.</summary>
    public static ReadOnlySpan<byte> Pattern =>
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];

    /// <summary>First 8 bytes of SHA-256("keyservice/backup-key-id/v1" | AES-KW(key, 00 01 … 1f)).</summary>
    /// <param name="value">32 bytes.</param>
    public static byte[] Of(SecretBuffer value)
    {
        ArgumentNullException.ThrowIfNull(value);
        ArgumentOutOfRangeException.ThrowIfNotEqual(value.Length, KeyLength);
        return OfWrapped(AesKeyWrap.Wrap(value.DangerousSpan, Pattern));
    }

    /// <summary>As <see cref="Of"/>, from <see cref="Pattern"/> as a token wrapped it.</summary>
    /// <param name="wrappedPattern">40 bytes of AES-KW.</param>
    public static byte[] OfWrapped(ReadOnlySpan<byte> wrappedPattern) => SHA256.HashData([.. "keyservice/backup-key-id/v1"u8, .. wrappedPattern])[..Length];
}
