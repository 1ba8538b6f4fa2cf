using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// Seals and opens single chunks of one message: AES-256-GCM, no additional data, nonce = base nonce XOR chunk number. The
/// fixed derivation of the nonce is safe because key and base nonce are derived anew for every message. For one thread.
/// </summary>
internal sealed class ChunkCipher : IDisposable
{
    private readonly Aes256Gcm _aead;
    private readonly byte[] _baseNonce;

    public ChunkCipher(MessageKeys keys)
    {
        _aead = new Aes256Gcm(keys.Key);
        _baseNonce = keys.BaseNonce.ToArray();
    }

    /// <param name="number">Chunk number from 0.</param>
    /// <param name="plaintext">16,384 bytes, fewer (also none) for the last chunk.</param>
    /// <param name="chunk">Room for ciphertext and tag.</param>
    public void Seal(ulong number, ReadOnlySpan<byte> plaintext, Span<byte> chunk)
    {
        Debug.Assert(plaintext.Length <= ArchiveFormat.ChunkLength, "a chunk holds at most 16 KiB");
        Span<byte> nonce = stackalloc byte[12];
        Nonce(number, nonce);
        _aead.Encrypt(nonce, plaintext, chunk[..plaintext.Length], chunk.Slice(plaintext.Length, ArchiveFormat.TagLength), []);
    }

    /// <returns>False when the chunk does not verify; the plaintext is zero then.</returns>
    public bool Open(ulong number, ReadOnlySpan<byte> chunk, Span<byte> plaintext)
    {
        Debug.Assert(chunk.Length is >= ArchiveFormat.TagLength and <= ArchiveFormat.SealedChunkLength, "a chunk has a tag and at most 16 KiB");
        Span<byte> nonce = stackalloc byte[12];
        Nonce(number, nonce);
        int length = chunk.Length - ArchiveFormat.TagLength;
        return _aead.Decrypt(nonce, chunk[..length], chunk[length..], plaintext[..length], []);
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_baseNonce);
        _aead.Dispose();
    }

    private void Nonce(ulong number, Span<byte> nonce)
    {
        if (number >= ArchiveFormat.MaxChunks)
        {
            throw new ArchiveException(ArchiveFault.TooLong, "An archive holds at most 4 PiB.");
        }

        _baseNonce.CopyTo(nonce);
        Span<byte> counter = nonce[4..];
        BinaryPrimitives.WriteUInt64BigEndian(counter, BinaryPrimitives.ReadUInt64BigEndian(counter) ^ number);
    }
}
