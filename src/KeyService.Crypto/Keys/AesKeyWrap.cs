using System.Buffers.Binary;
using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>AES-KW as RFC 3394, 2.2.1 writes it (index form, default initial value), for what has to be compared with an HSM's answer.</summary>
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
}
