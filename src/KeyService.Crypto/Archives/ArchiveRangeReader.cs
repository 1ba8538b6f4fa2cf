using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// Reads any byte range of an archive in a seekable stream. Opening proves key, context and length (by the last chunk); each range read opens
/// and verifies only the chunks that it touches. For one thread at a time; <see cref="OpenAnother"/> gives further readers of the same archive.
/// </summary>
public sealed class ArchiveRangeReader : IDisposable
{
    /// <summary>Chunks fetched by one read of the archive when the destination takes so many: 256 KiB.</summary>
    private const int MaxChunksAtOnce = 16;

    private readonly ArchiveBytes _archive;
    private readonly long _chunks;
    private readonly MessageKeys _keys;
    private readonly ChunkCipher _cipher;
    private readonly byte[] _plaintext = new byte[ArchiveFormat.ChunkLength];
    private byte[] _sealed = new byte[ArchiveFormat.SealedChunkLength];
    private bool _disposed;

    /// <summary>Chunk whose plaintext is held; -1 for none. Small reads in a row open each chunk once.</summary>
    private long _held = -1;

    private ArchiveRangeReader(ArchiveBytes archive, long chunks, MessageKeys keys, long length)
    {
        _archive = archive;
        _chunks = chunks;
        _keys = keys;
        _cipher = new ChunkCipher(keys);
        Length = length;
    }

    /// <summary>Bytes of the content, proven.</summary>
    public long Length { get; }

    /// <param name="archive">Seekable; the archive begins at its position 0. A file is read by its descriptor, wherever the stream stands.</param>
    /// <param name="header">The archive's header.</param>
    /// <param name="dataKey">The unwrapped data key, 32 bytes; not kept.</param>
    /// <param name="leaveOpen">Whether <paramref name="archive"/> stays open when the last reader of it is disposed of.</param>
    /// <exception cref="ArchiveException">Truncated, VerificationFailed.</exception>
    public static ArchiveRangeReader Open(Stream archive, ArchiveHeader header, SecretBuffer dataKey, bool leaveOpen = true)
    {
        ArgumentNullException.ThrowIfNull(header);
        return Open(archive, header.Length, header.MessageContext(), dataKey, leaveOpen);
    }

    /// <summary>The bare message at an offset, for vectors.</summary>
    internal static ArchiveRangeReader Open(Stream archive, long payload, byte[] context, SecretBuffer dataKey, bool leaveOpen = true)
    {
        ArgumentNullException.ThrowIfNull(archive);
        Span<byte> prefix = stackalloc byte[ArchiveFormat.PayloadPrefixLength];
        archive.Position = payload;
        int have = archive.ReadAtLeast(prefix, prefix.Length, throwOnEndOfStream: false);
        MessageKeys keys = MessageKeys.Open(dataKey, prefix[..have], context);
        try
        {
            long length = PayloadEnd.Prove(archive, payload + prefix.Length, keys);
            return new ArchiveRangeReader(new ArchiveBytes(archive, leaveOpen), payload + prefix.Length, keys, length);
        }
        catch
        {
            keys.Dispose();
            throw;
        }
    }

    /// <summary>Another reader of the same archive, to be used beside this one on another thread and disposed of by itself.</summary>
    public ArchiveRangeReader OpenAnother()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _archive.Share();
        return new ArchiveRangeReader(_archive, _chunks, _keys.Copy(), Length);
    }

    /// <summary>Reads content from an offset.</summary>
    /// <param name="offset">0 or more.</param>
    /// <param name="destination">Filled as far as the content goes.</param>
    /// <returns>Bytes read; fewer than asked for only at the end of the content.</returns>
    /// <exception cref="ArchiveException">VerificationFailed; the destination is zeroed.</exception>
    public int ReadAt(long offset, Span<byte> destination)
    {
        int read = 0;
        try
        {
            for (Step step; (step = Next(offset + read, destination.Length - read)).Take > 0; read += step.Take)
            {
                if (step.Chunks > 0)
                {
                    int have = _archive.Read(step.Offset, _sealed.AsSpan(0, step.SealedLength));
                    Open(step, have, destination[read..]);
                }

                CopyHeld(step, destination[read..]);
            }

            return read;
        }
        catch
        {
            CryptographicOperations.ZeroMemory(destination);
            throw;
        }
    }

    /// <inheritdoc cref="ReadAt"/>
    public async ValueTask<int> ReadAtAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken = default)
    {
        int read = 0;
        try
        {
            for (Step step; (step = Next(offset + read, destination.Length - read)).Take > 0; read += step.Take)
            {
                if (step.Chunks > 0)
                {
                    int have = await _archive.ReadAsync(step.Offset, _sealed.AsMemory(0, step.SealedLength), cancellationToken).ConfigureAwait(false);
                    Open(step, have, destination.Span[read..]);
                }

                CopyHeld(step, destination.Span[read..]);
            }

            return read;
        }
        catch
        {
            CryptographicOperations.ZeroMemory(destination.Span);
            throw;
        }
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _cipher.Dispose();
        _keys.Dispose();
        CryptographicOperations.ZeroMemory(_plaintext);
        _archive.Dispose();
    }

    /// <summary>What is to be done for the next bytes: which chunks to fetch (none when the chunk is held), and how many bytes that gives.</summary>
    private Step Next(long position, int wanted)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        long left = Length - position;
        if (left <= 0 || wanted == 0)
        {
            return default;
        }

        (long chunk, long at) = Math.DivRem(position, ArchiveFormat.ChunkLength);
        int take = (int)Math.Min(Math.Min(wanted, ArchiveFormat.ChunkLength - at), left);
        if (chunk == _held)
        {
            return new Step(chunk, (int)at, take, Chunks: 0, Direct: false, 0, 0);
        }

        // Whole chunks go straight into the destination, several by one read; a part of one goes over the held chunk.
        int whole = at > 0 ? 0 : Math.Min(MaxChunksAtOnce, (int)Math.Min(wanted, left) / ArchiveFormat.ChunkLength);
        bool direct = whole > 0;
        int sealedLength = direct
            ? whole * ArchiveFormat.SealedChunkLength
            : (int)Math.Min(ArchiveFormat.ChunkLength, Length - (chunk * ArchiveFormat.ChunkLength)) + ArchiveFormat.TagLength;
        if (_sealed.Length < sealedLength)
        {
            _sealed = new byte[MaxChunksAtOnce * ArchiveFormat.SealedChunkLength];
        }

        return new Step(
            chunk, (int)at, direct ? whole * ArchiveFormat.ChunkLength : take, direct ? whole : 1, direct,
            _chunks + (chunk * ArchiveFormat.SealedChunkLength), sealedLength);
    }

    private void Open(Step step, int have, Span<byte> destination)
    {
        if (!step.Direct)
        {
            _held = -1;
        }

        // Shorter than it was when its end was proven: as damaged as any other.
        bool verified = have == step.SealedLength;
        for (int i = 0; verified && i < step.Chunks; i++)
        {
            int from = i * ArchiveFormat.SealedChunkLength;
            ReadOnlySpan<byte> chunk = _sealed.AsSpan(from, Math.Min(ArchiveFormat.SealedChunkLength, step.SealedLength - from));
            Span<byte> plaintext = step.Direct ? destination.Slice(i * ArchiveFormat.ChunkLength, ArchiveFormat.ChunkLength) : _plaintext;
            verified = _cipher.Open((ulong)(step.Chunk + i), chunk, plaintext);
        }

        if (!verified)
        {
            throw ArchiveException.VerificationFailed();
        }

        if (!step.Direct)
        {
            _held = step.Chunk;
        }
    }

    private void CopyHeld(Step step, Span<byte> destination)
    {
        if (!step.Direct)
        {
            _plaintext.AsSpan(step.At, step.Take).CopyTo(destination);
        }
    }

    private readonly record struct Step(long Chunk, int At, int Take, int Chunks, bool Direct, long Offset, int SealedLength);
}
