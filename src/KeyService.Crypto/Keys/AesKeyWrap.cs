using System.Buffers.Binary;
using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>
/// AES-KW as RFC 3394, 2.2 writes it (index form, default initial value), for what has to be compared with an HSM's answer, and for proving outside of one
/// that a backup opens.
/// </summary>
public static class AesKeyWrap
{
    private const ulong InitialValue = 0xA6A6A6A6A6A6A6A6;

    /// <summary>The key data, wrapped. Deterministic: the same key and key data give the same bytes.</summary>
    /// <param name="key">32 bytes.</param>
    /// <param name="keyData">A multiple of 8 bytes, 16 or more.</param>
    /// <returns>8 bytes more than <paramref name="keyData"/>.</returns>
    public static byte[] Wrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> keyData)
    {
        var count = keyData.Length / 8;
        var result = new byte[keyData.Length + 8];
        keyData.CopyTo(result.AsSpan(8));
        Span<byte> block = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(block, InitialValue);
        using var aes = Aes.Create();
        aes.SetKey(key);
        for (var step = 1; step <= 6 * count; step++)
        {
            var register = result.AsSpan(8 * (((step - 1) % count) + 1), 8);
            register.CopyTo(block[8..]);
            aes.EncryptEcb(block, block, PaddingMode.None);
            block[8..].CopyTo(register);
            BinaryPrimitives.WriteUInt64BigEndian(block, BinaryPrimitives.ReadUInt64BigEndian(block) ^ (ulong)step);
        }
        block[..8].CopyTo(result);
        return result;
    }

    /// <summary>The key data again (RFC 3394, 2.2.2).</summary>
    /// <param name="key">32 bytes.</param>
    /// <param name="wrapped">8 bytes more than the key data.</param>
    /// <returns>To be disposed of; null when the wrapped bytes were changed, or are of another key.</returns>
    public static SecretBuffer? Unwrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> wrapped)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(wrapped.Length, 24);
        ArgumentOutOfRangeException.ThrowIfNotEqual(wrapped.Length % 8, 0);
        var count = (wrapped.Length / 8) - 1;
        var keyData = SecretBuffer.CopyOf(wrapped[8..]);
        using var working = new SecretBuffer(16);
        var block = working.DangerousSpan;
        wrapped[..8].CopyTo(block);
        using var aes = Aes.Create();
        aes.SetKey(key);
        for (var step = 6 * count; step >= 1; step--)
        {
            var register = keyData.DangerousSpan.Slice(8 * ((step - 1) % count), 8);
            BinaryPrimitives.WriteUInt64BigEndian(block, BinaryPrimitives.ReadUInt64BigEndian(block) ^ (ulong)step);
            register.CopyTo(block[8..]);
            aes.DecryptEcb(block, block, PaddingMode.None);
            block[8..].CopyTo(register);
        }
        Span<byte> expected = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(expected, InitialValue);
        if (CryptographicOperations.FixedTimeEquals(block[..8], expected))
        {
            return keyData;
        }
        keyData.Dispose();
        return null;
    }
}
