using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>GCM by the BCL. A new key is a new instance.</summary>
internal sealed class BclGcmEngine : GcmEngine
{
    private AesGcm? _cipher;
    private bool _disposed;

    internal override void SetKey(ReadOnlySpan<byte> key)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _cipher?.Dispose();
        _cipher = new AesGcm(key, Aes256Gcm.TagLength);
    }

    internal override void Encrypt(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> aad) =>
        Keyed(key).Encrypt(nonce, plaintext, ciphertext, tag, aad);

    internal override bool Decrypt(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> aad)
    {
        try
        {
            Keyed(key).Decrypt(nonce, ciphertext, tag, plaintext, aad);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            CryptographicOperations.ZeroMemory(plaintext);
            return false;
        }
    }

    public override void Dispose()
    {
        _disposed = true;
        _cipher?.Dispose();
    }

    private AesGcm Keyed(ReadOnlySpan<byte> key)
    {
        if (!key.IsEmpty)
        {
            SetKey(key);
        }
        return _cipher ?? throw new InvalidOperationException("The cipher has no key.");
    }
}
