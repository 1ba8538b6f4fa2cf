namespace KeyService.Crypto;

/// <summary>Misuse by a caller throws, here and only here; the engines assert nothing again.</summary>
internal static class GcmArguments
{
    internal static void CheckKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != Aes256Gcm.KeyLength)
        {
            throw new ArgumentException("An AES-256 key has 32 bytes.", nameof(key));
        }
    }

    internal static void Check(
        ReadOnlySpan<byte> nonce, int nonceLength, ReadOnlySpan<byte> input, ReadOnlySpan<byte> output, ReadOnlySpan<byte> tag)
    {
        if (nonce.Length != nonceLength || tag.Length != Aes256Gcm.TagLength)
        {
            throw new ArgumentException($"The nonce has {nonceLength} bytes and the tag 16.");
        }
        if (input.Length != output.Length)
        {
            throw new ArgumentException("Plaintext and ciphertext have the same length.");
        }
        // libcrypto does not notice a partial overlap and would produce garbage.
        if (input.Overlaps(output, out int offset) && offset != 0)
        {
            throw new ArgumentException("Plaintext and ciphertext overlap without being the same memory.");
        }
    }
}
