namespace KeyService.Crypto;

/// <summary>
/// AES-256-GCM (NIST SP 800-38D): 32-byte key, 12-byte nonce, 16-byte tag, messages of 0 bytes to 2 GiB. The caller makes sure that no
/// nonce is used twice under a key. By libcrypto's EVP where it is there, otherwise by the BCL; the same bytes.
/// <b>Not thread-safe</b>: one instance per thread or stream. Input and output may be the same memory, or apart, but not overlap otherwise.
/// </summary>
public sealed class Aes256Gcm : IDisposable
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes of a nonce.</summary>
    public const int NonceLength = 12;

    /// <summary>Bytes of a tag.</summary>
    public const int TagLength = 16;

    private readonly GcmEngine _engine;

    /// <param name="key">32 bytes.</param>
    public Aes256Gcm(ReadOnlySpan<byte> key)
        : this(key, AesBackend.Default)
    {
    }

    internal Aes256Gcm(ReadOnlySpan<byte> key, AesBackend backend)
    {
        GcmArguments.CheckKey(key);
        _engine = backend.CreateGcm();
        _engine.SetKey(key);
    }

    /// <summary>True if libcrypto does the work, false if the BCL does.</summary>
    public static bool UsesEvp => AesBackend.Evp is not null;

    /// <summary>Changes the key; far cheaper than a new instance where <see cref="UsesEvp"/>.</summary>
    /// <param name="key">32 bytes.</param>
    public void SetKey(ReadOnlySpan<byte> key)
    {
        GcmArguments.CheckKey(key);
        _engine.SetKey(key);
    }

    /// <summary>Encrypts one message.</summary>
    /// <param name="nonce">12 bytes, never used before under this key.</param>
    /// <param name="plaintext">Any length.</param>
    /// <param name="ciphertext">As long as the plaintext.</param>
    /// <param name="tag">16 bytes.</param>
    /// <param name="aad">Authenticated, not encrypted.</param>
    public void Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> aad)
    {
        GcmArguments.Check(nonce, NonceLength, plaintext, ciphertext, tag);
        _engine.Encrypt([], nonce, plaintext, ciphertext, tag, aad);
    }

    /// <summary>Decrypts one message.</summary>
    /// <returns>False, and a zeroed <paramref name="plaintext"/>, if anything differs from what was encrypted.</returns>
    public bool Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> aad)
    {
        GcmArguments.Check(nonce, NonceLength, ciphertext, plaintext, tag);
        return _engine.Decrypt([], nonce, ciphertext, tag, plaintext, aad);
    }

    /// <summary>Zeroes the key.</summary>
    public void Dispose() => _engine.Dispose();
}
