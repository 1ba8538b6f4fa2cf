using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>GCM by libcrypto on one reused context for both directions: GCM uses the same key schedule for either.</summary>
internal sealed class EvpGcmEngine : GcmEngine
{
    private readonly EvpContext _context = EvpContext.Create(LibCrypto.Aes256Gcm);

    internal override void SetKey(ReadOnlySpan<byte> key) => _context.StartEncryption(key, []);

    internal override void Encrypt(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> aad)
    {
        _context.StartEncryption(key, nonce);
        if (!aad.IsEmpty)
        {
            _context.Encrypt(aad, []);
        }
        if (!plaintext.IsEmpty)
        {
            _context.Encrypt(plaintext, ciphertext);
        }
        _context.FinishEncryption(tag);
    }

    internal override bool Decrypt(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> aad)
    {
        bool verified = false;
        try
        {
            _context.StartDecryption(key, nonce);
            if (!aad.IsEmpty)
            {
                _context.Decrypt(aad, []);
            }
            if (!ciphertext.IsEmpty)
            {
                _context.Decrypt(ciphertext, plaintext);
            }
            verified = _context.FinishDecryption(tag);
        }
        finally
        {
            if (!verified)
            {
                CryptographicOperations.ZeroMemory(plaintext);
            }
        }
        return verified;
    }

    public override void Dispose() => _context.Dispose();
}
