using System.Buffers;
using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// Makes an archive from plaintext that is pushed in pieces of any size; for one thread at a time. Everything it emits is final;
/// without <see cref="Finish"/> the archive has no end and no reader accepts it.
/// </summary>
public sealed class ChunkEncryptor : IDisposable
{
    private readonly ChunkCipher _cipher;
    private readonly byte[] _pending = new byte[ArchiveFormat.ChunkLength];
    private byte[]? _preamble;
    private int _pendingLength;
    private ulong _chunk;
    private bool _finished;

    /// <param name="header">Header of the new archive.</param>
    /// <param name="dataKey">The 32-byte data key that the header's slots wrap; not kept.</param>
    public ChunkEncryptor(ArchiveHeader header, SecretBuffer dataKey)
        : this(Required(header).ToArray(), dataKey, RandomNumberGenerator.GetBytes(ArchiveFormat.SaltLength), header.MessageContext())
    {
    }

    /// <summary>The bare message with a given salt, for vectors.</summary>
    internal ChunkEncryptor(ReadOnlySpan<byte> header, SecretBuffer dataKey, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> context)
    {
        using MessageKeys keys = MessageKeys.Derive(dataKey, salt, context);
        _cipher = new ChunkCipher(keys);
        _preamble = [.. header, .. salt, .. keys.Commitment];
    }

    /// <summary>Plaintext bytes taken so far.</summary>
    public long PlaintextBytes { get; private set; }

    /// <summary>Archive bytes emitted so far.</summary>
    public long ArchiveBytes { get; private set; }

    /// <summary>Takes plaintext, emits the chunks that became full. The first call emits the header too.</summary>
    public void Write(ReadOnlySpan<byte> plaintext, IBufferWriter<byte> archive)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ObjectDisposedException.ThrowIf(_finished, this);
        Begin(archive);
        PlaintextBytes += plaintext.Length;
        if (_pendingLength > 0)
        {
            int take = Math.Min(plaintext.Length, ArchiveFormat.ChunkLength - _pendingLength);
            plaintext[..take].CopyTo(_pending.AsSpan(_pendingLength));
            _pendingLength += take;
            plaintext = plaintext[take..];
            if (_pendingLength < ArchiveFormat.ChunkLength)
            {
                return;
            }

            Emit(_pending, archive);
            _pendingLength = 0;
        }

        while (plaintext.Length >= ArchiveFormat.ChunkLength)
        {
            Emit(plaintext[..ArchiveFormat.ChunkLength], archive);
            plaintext = plaintext[ArchiveFormat.ChunkLength..];
        }

        plaintext.CopyTo(_pending);
        _pendingLength = plaintext.Length;
    }

    /// <inheritdoc cref="Write(ReadOnlySpan{byte}, IBufferWriter{byte})"/>
    public void Write(in ReadOnlySequence<byte> plaintext, IBufferWriter<byte> archive)
    {
        foreach (ReadOnlyMemory<byte> segment in plaintext)
        {
            Write(segment.Span, archive);
        }
    }

    /// <summary>Seals the archive with its last, short chunk. Call it only when the plaintext is known to be complete.</summary>
    public void Finish(IBufferWriter<byte> archive)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ObjectDisposedException.ThrowIf(_finished, this);
        Begin(archive);
        Emit(_pending.AsSpan(0, _pendingLength), archive);
        Dispose();
    }

    public void Dispose()
    {
        _finished = true;
        CryptographicOperations.ZeroMemory(_pending);
        _cipher.Dispose();
    }

    private static ArchiveHeader Required(ArchiveHeader header)
    {
        ArgumentNullException.ThrowIfNull(header);
        return header;
    }

    private void Begin(IBufferWriter<byte> archive)
    {
        if (_preamble is { } preamble)
        {
            archive.Write(preamble);
            ArchiveBytes += preamble.Length;
            _preamble = null;
        }
    }

    private void Emit(ReadOnlySpan<byte> plaintext, IBufferWriter<byte> archive)
    {
        int length = plaintext.Length + ArchiveFormat.TagLength;
        _cipher.Seal(_chunk++, plaintext, archive.GetSpan(length)[..length]);
        archive.Advance(length);
        ArchiveBytes += length;
    }
}
