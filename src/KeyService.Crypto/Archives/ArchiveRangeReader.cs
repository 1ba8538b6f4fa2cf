using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// Reads any byte range of an archive in a seekable stream. Opening proves key, context and length; each range read opens and
/// verifies only the chunks that it touches. For one thread at a time.
/// </summary>
public sealed class ArchiveRangeReader : IDisposable
{
    private readonly Stream _archive;
    private readonly long _chunks;
    private readonly ChunkCipher _cipher;
    private readonly byte[] _sealed = new byte[ArchiveFormat.SealedChunkLength];
    private readonly byte[] _plaintext = new byte[ArchiveFormat.ChunkLength];

    /// <summary>Chunk whose plaintext is held; -1 for none. Small reads in a row open each chunk once.</summary>
    private long _held = -1;

    private ArchiveRangeReader(Stream archive, long chunks, MessageKeys keys)
    {
        _archive = archive;
        _chunks = chunks;
        Length = PayloadEnd.Prove(archive, chunks, keys);
        _cipher = new ChunkCipher(keys);
    }

    /// <summary>Bytes of the content, proven.</summary>
    public long Length { get; }

    /// <param name="archive">Seekable; the archive begins at its position 0. Not closed.</param>
    /// <param name="header">The archive's header.</param>
    /// <param name="dataKey">The unwrapped data key, 32 bytes; not kept.</param>
    /// <exception cref="ArchiveException">Truncated, VerificationFailed.</exception>
    public static ArchiveRangeReader Open(Stream archive, ArchiveHeader header, SecretBuffer dataKey)
    {
        ArgumentNullException.ThrowIfNull(header);
        return Open(archive, header.Length, header.MessageContext(), dataKey);
    }

    /// <summary>The bare message at an offset, for vectors.</summary>
    internal static ArchiveRangeReader Open(Stream archive, long payload, byte[] context, SecretBuffer dataKey)
    {
        ArgumentNullException.ThrowIfNull(archive);
        Span<byte> prefix = stackalloc byte[ArchiveFormat.PayloadPrefixLength];
        archive.Position = payload;
        if (archive.ReadAtLeast(prefix, prefix.Length, throwOnEndOfStream: false) < prefix.Length)
        {
            throw ArchiveException.Truncated("its payload");
        }

        using MessageKeys keys = MessageKeys.Derive(dataKey, prefix[..ArchiveFormat.SaltLength], context);
        return keys.Matches(prefix[ArchiveFormat.SaltLength..])
            ? new ArchiveRangeReader(archive, payload + prefix.Length, keys)
            : throw ArchiveException.VerificationFailed();
    }

    /// <summary>Reads content from an offset.</summary>
    /// <param name="offset">0 or more.</param>
    /// <param name="destination">Filled as far as the content goes.</param>
    /// <returns>Bytes read; fewer than asked for only at the end of the content.</returns>
    /// <exception cref="ArchiveException">VerificationFailed; the destination is zeroed.</exception>
    public int ReadAt(long offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        int read = 0;
        try
        {
            while (read < destination.Length && offset + read < Length)
            {
                (long chunk, long at) = Math.DivRem(offset + read, ArchiveFormat.ChunkLength);
                ReadOnlySpan<byte> plaintext = OpenChunk(chunk)[(int)at..];
                int take = Math.Min(plaintext.Length, destination.Length - read);
                plaintext[..take].CopyTo(destination[read..]);
                read += take;
            }

            return read;
        }
        catch (ArchiveException)
        {
            CryptographicOperations.ZeroMemory(destination);
            throw;
        }
    }

    public void Dispose()
    {
        _cipher.Dispose();
        CryptographicOperations.ZeroMemory(_plaintext);
    }

    private ReadOnlySpan<byte> OpenChunk(long chunk)
    {
        int length = (int)Math.Min(ArchiveFormat.ChunkLength, Length - (chunk * ArchiveFormat.ChunkLength));
        if (_held != chunk)
        {
            Span<byte> sealedChunk = _sealed.AsSpan(0, length + ArchiveFormat.TagLength);
            _held = -1;
            _archive.Position = _chunks + (chunk * ArchiveFormat.SealedChunkLength);
            if (_archive.ReadAtLeast(sealedChunk, sealedChunk.Length, throwOnEndOfStream: false) < sealedChunk.Length
                || !_cipher.Open((ulong)chunk, sealedChunk, _plaintext))
            {
                throw ArchiveException.VerificationFailed();
            }

            _held = chunk;
        }

        return _plaintext.AsSpan(0, length);
    }
}
