using System.Diagnostics;

namespace KeyService.Crypto;

/// <summary>What one thread at a time needs to make and open tokens: a keyed cipher, nonces drawn ahead, a place for the associated data.</summary>
internal sealed class FieldCipherState : IDisposable
{
    private readonly XAes256Gcm _cipher;
    private readonly NonceSource _nonces = new(XAes256Gcm.NonceLength);
    private readonly byte[] _aad = new byte[AssociatedData.MaxLength];
    private readonly int _prefixLength;

    internal FieldCipherState(ReadOnlySpan<byte> key, ReadOnlySpan<byte> aadPrefix)
    {
        _cipher = new XAes256Gcm(key);
        aadPrefix.CopyTo(_aad);
        _prefixLength = aadPrefix.Length;
    }

    /// <param name="context">Bound as associated data.</param>
    /// <param name="plaintext">Any length.</param>
    /// <param name="body">Nonce 24, ciphertext, tag 16.</param>
    internal void Encrypt(CanonicalContext context, ReadOnlySpan<byte> plaintext, Span<byte> body)
    {
        Debug.Assert(body.Length == XAes256Gcm.NonceLength + plaintext.Length + XAes256Gcm.TagLength);
        Span<byte> nonce = body[..XAes256Gcm.NonceLength];
        _nonces.Take(nonce);
        _cipher.Encrypt(
            nonce, plaintext, body[XAes256Gcm.NonceLength..^XAes256Gcm.TagLength], body[^XAes256Gcm.TagLength..], AssociatedDataOf(context));
    }

    internal bool Decrypt(CanonicalContext context, FieldToken token, Span<byte> plaintext) =>
        _cipher.Decrypt(token.Nonce, token.Ciphertext, token.Tag, plaintext, AssociatedDataOf(context));

    public void Dispose()
    {
        _cipher.Dispose();
        _nonces.Dispose();
    }

    private ReadOnlySpan<byte> AssociatedDataOf(CanonicalContext context)
    {
        context.Encoded.CopyTo(_aad.AsSpan(_prefixLength));
        return _aad.AsSpan(0, _prefixLength + context.Encoded.Length);
    }
}
