using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace KeyService.Crypto;

/// <summary>
/// The bytes of a blind index: a keyed MAC of a column's value, by which equal values are found without being shown.
/// docs/spec/blind-index.md.
/// <code>
/// column key = HKDF-SHA-256(index key, no salt, "keyservice/v1/blind-index" 0x00 | length 1 | encoded column context)
/// index      = first length bytes of HMAC-SHA-256(column key, value)
/// </code>
/// </summary>
public static class BlindIndexFormat
{
    /// <summary>Bytes of the index key and of a column key.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes of an index key's id.</summary>
    public const int KeyIdLength = 16;

    /// <summary>Bytes of an index at least: below, unequal values share an index all the time.</summary>
    public const int MinLength = 4;

    /// <summary>Bytes of an index where nobody says otherwise.</summary>
    public const int DefaultLength = 16;

    /// <summary>Bytes of an index at most: the whole MAC.</summary>
    public const int MaxLength = HMACSHA256.HashSizeInBytes;

    private static ReadOnlySpan<byte> DerivationLabel => "keyservice/v1/blind-index\0"u8;

    private static ReadOnlySpan<byte> IdLabel => "keyservice/v1/blind-index-id\0"u8;

    /// <summary>
    /// The id of the index key of this name: the same for everybody, so that of two who make it at once one finds the other's. Not secret.
    /// </summary>
    public static byte[] KeyId(string keyName, string indexName)
    {
        ArgumentNullException.ThrowIfNull(keyName);
        ArgumentNullException.ThrowIfNull(indexName);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(IdLabel);
        Append(hash, keyName);
        Append(hash, indexName);
        return hash.GetHashAndReset()[..KeyIdLength];
    }

    /// <summary>Derives the key of one column for indexes of one length.</summary>
    /// <param name="indexKey">32 bytes.</param>
    /// <param name="column">What the column is; without a row.</param>
    /// <param name="length">Bytes of an index, 4 to 32. Another length is another key: indexes of two lengths cannot be compared.</param>
    /// <param name="columnKey">32 bytes.</param>
    public static void DeriveColumnKey(ReadOnlySpan<byte> indexKey, EncryptionContext column, int length, Span<byte> columnKey)
    {
        ArgumentNullException.ThrowIfNull(column);
        ArgumentOutOfRangeException.ThrowIfNotEqual(indexKey.Length, KeyLength, nameof(indexKey));
        ArgumentOutOfRangeException.ThrowIfNotEqual(columnKey.Length, KeyLength, nameof(columnKey));
        ArgumentOutOfRangeException.ThrowIfLessThan(length, MinLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxLength);
        byte[] info = [.. DerivationLabel, (byte)length, .. column.Encoded];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, indexKey, columnKey, salt: default, info);
    }

    /// <summary>Computes an index.</summary>
    /// <param name="columnKey">From <see cref="DeriveColumnKey"/>, for as many bytes as <paramref name="index"/> has.</param>
    /// <param name="value">The value as it is to be found again: normalised by the caller, byte for byte.</param>
    /// <param name="index">4 to 32 bytes.</param>
    public static void Compute(ReadOnlySpan<byte> columnKey, ReadOnlySpan<byte> value, Span<byte> index)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(columnKey.Length, KeyLength, nameof(columnKey));
        ArgumentOutOfRangeException.ThrowIfLessThan(index.Length, MinLength, nameof(index));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index.Length, MaxLength, nameof(index));
        Span<byte> mac = stackalloc byte[MaxLength];
        HMACSHA256.HashData(columnKey, value, mac);
        mac[..index.Length].CopyTo(index);
        CryptographicOperations.ZeroMemory(mac);
    }

    private static void Append(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, checked((ushort)bytes.Length));
        hash.AppendData(length);
        hash.AppendData(bytes);
    }
}
