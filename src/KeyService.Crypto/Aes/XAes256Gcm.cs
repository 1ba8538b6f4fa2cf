using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>
/// XAES-256-GCM (C2SP, https://c2sp.org/XAES-256-GCM): 32-byte key, 24-byte nonce that may be random (2^80 messages a key), 16-byte tag.
/// Each message has an AES-256-GCM key of its own, derived from the key and the first half of the nonce by SP 800-108 with CMAC: two
/// block encryptions. <b>Not thread-safe</b>: one instance per thread. Input and output may be the same memory, or apart.
/// </summary>
public sealed class XAes256Gcm : IDisposable
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes of a nonce.</summary>
    public const int NonceLength = 24;

    /// <summary>Bytes of a tag.</summary>
    public const int TagLength = 16;

    private const int BlockLength = 16;
    private const int HalfNonceLength = 12;

    private readonly BlockEngine _block;
    private readonly GcmEngine _gcm;
    // CMAC's first subkey: secret, but of no use without the key itself, which libcrypto holds on its heap anyway.
    private readonly byte[] _k1 = GC.AllocateArray<byte>(BlockLength, pinned: true);

    /// <param name="key">32 bytes.</param>
    public XAes256Gcm(ReadOnlySpan<byte> key)
        : this(key, AesBackend.Default)
    {
    }

    internal XAes256Gcm(ReadOnlySpan<byte> key, AesBackend backend)
    {
        GcmArguments.CheckKey(key);
        _block = backend.CreateBlock(key);
        _gcm = backend.CreateGcm();
        _block.EncryptInPlace(_k1);
        Double(_k1);
    }

    /// <summary>Encrypts one message.</summary>
    /// <param name="nonce">24 bytes, fresh from a cryptographic random generator.</param>
    /// <param name="plaintext">Any length.</param>
    /// <param name="ciphertext">As long as the plaintext.</param>
    /// <param name="tag">16 bytes.</param>
    /// <param name="aad">Authenticated, not encrypted.</param>
    public void Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> aad)
    {
        GcmArguments.Check(nonce, NonceLength, plaintext, ciphertext, tag);
        Span<byte> derived = stackalloc byte[KeyLength];
        try
        {
            DeriveKey(nonce[..HalfNonceLength], derived);
            _gcm.Encrypt(derived, nonce[HalfNonceLength..], plaintext, ciphertext, tag, aad);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(derived);
        }
    }

    /// <summary>Decrypts one message.</summary>
    /// <returns>False, and a zeroed <paramref name="plaintext"/>, if anything differs from what was encrypted.</returns>
    public bool Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> aad)
    {
        GcmArguments.Check(nonce, NonceLength, ciphertext, plaintext, tag);
        Span<byte> derived = stackalloc byte[KeyLength];
        try
        {
            DeriveKey(nonce[..HalfNonceLength], derived);
            return _gcm.Decrypt(derived, nonce[HalfNonceLength..], ciphertext, tag, plaintext, aad);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(derived);
        }
    }

    /// <summary>Zeroes the keys.</summary>
    public void Dispose()
    {
        _block.Dispose();
        _gcm.Dispose();
        CryptographicOperations.ZeroMemory(_k1);
    }

    /// <summary>Steps 3 to 5 of the specification: CMAC of two one-block messages.</summary>
    /// <param name="half">First 12 bytes of the nonce.</param>
    /// <param name="derived">32 bytes.</param>
    internal void DeriveKey(ReadOnlySpan<byte> half, Span<byte> derived)
    {
        for (byte counter = 1; counter <= 2; counter++)
        {
            Span<byte> message = derived.Slice((counter - 1) * BlockLength, BlockLength);
            message[0] = 0;
            message[1] = counter;
            message[2] = (byte)'X';
            message[3] = 0;
            half.CopyTo(message[4..]);
            for (int i = 0; i < BlockLength; i++)
            {
                message[i] ^= _k1[i];
            }
        }
        _block.EncryptInPlace(derived);
    }

    /// <summary>Doubling in GF(2^128) as CMAC does it (SP 800-38B, 6.1), without a branch on the secret.</summary>
    private static void Double(Span<byte> block)
    {
        int carry = 0;
        for (int i = BlockLength - 1; i >= 0; i--)
        {
            int doubled = (block[i] << 1) | carry;
            carry = doubled >> 8;
            block[i] = (byte)doubled;
        }
        block[^1] ^= (byte)(-carry & 0x87);
    }
}
