namespace KeyService.Crypto;

/// <summary>
/// AES-256-GCM with 96-bit nonces and 128-bit tags. Arguments are validated by the public classes above; not thread-safe. Each method
/// takes the key to change to, or an empty span to keep the one it has.
/// </summary>
internal abstract class GcmEngine : IDisposable
{
    internal abstract void SetKey(ReadOnlySpan<byte> key);

    internal abstract void Encrypt(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> aad);

    /// <returns>False and a zeroed <paramref name="plaintext"/> if the tag is wrong.</returns>
    internal abstract bool Decrypt(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> aad);

    public abstract void Dispose();
}
