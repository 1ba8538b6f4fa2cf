using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>
/// HKDF-Expand with SHA-512 (RFC 5869, section 2.3). The BCL's HKDF.Expand insists on a pseudorandom key as long as the hash; C2SP's
/// chunked encryption expands a uniformly random 32-byte key directly, so the loop stands here, over the BCL's HMAC.
/// </summary>
public static class HkdfSha512
{
    private const int HashLength = HMACSHA512.HashSizeInBytes;

    /// <summary>Fills <paramref name="output"/>.</summary>
    /// <param name="key">Uniformly random, 16 bytes at least.</param>
    /// <param name="info">What the output is for.</param>
    /// <param name="output">1 to 16,320 bytes.</param>
    public static void Expand(ReadOnlySpan<byte> key, ReadOnlySpan<byte> info, Span<byte> output)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(key.Length, 16, nameof(key));
        ArgumentOutOfRangeException.ThrowIfLessThan(output.Length, 1, nameof(output));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(output.Length, 255 * HashLength, nameof(output));
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA512, key);
        Span<byte> block = stackalloc byte[HashLength];
        try
        {
            Span<byte> counter = [1];
            for (int at = 0; at < output.Length; at += HashLength, counter[0]++)
            {
                if (at > 0)
                {
                    hmac.AppendData(block);
                }
                hmac.AppendData(info);
                hmac.AppendData(counter);
                hmac.GetHashAndReset(block);
                int length = Math.Min(HashLength, output.Length - at);
                block[..length].CopyTo(output[at..]);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(block);
        }
    }
}
