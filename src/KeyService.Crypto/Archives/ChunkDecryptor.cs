using System.Buffers;
using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// Opens the payload of an archive that is pushed in pieces of any size; for one thread at a time. Every plaintext byte it
/// emits was verified, but only <see cref="Finish"/> proves that the archive is whole: until then treat the output as provisional.
/// After a failure every further call fails the same way.
/// </summary>
public sealed class ChunkDecryptor : IDisposable
{
    private readonly byte[] _context;
    private readonly byte[] _pending = new byte[ArchiveFormat.SealedChunkLength];
    private SecretBuffer? _dataKey;
    private ChunkCipher? _cipher;
    private int _pendingLength;
    private ulong _chunk;
    private ArchiveException? _failure;
    private bool _finished;

    /// <param name="header">The archive's header; push what follows it.</param>
    /// <param name="dataKey">The unwrapped data key, copied until the payload's salt has come.</param>
    public ChunkDecryptor(ArchiveHeader header, SecretBuffer dataKey)
        : this(dataKey, MessageContext(header))
    {
    }

    /// <summary>The bare message, for vectors.</summary>
    internal ChunkDecryptor(SecretBuffer dataKey, byte[] context)
    {
        ArgumentNullException.ThrowIfNull(dataKey);
        if (dataKey.Length != MessageKeys.InputKeyLength)
        {
            throw new ArgumentException("The data key of an archive has 32 bytes.", nameof(dataKey));
        }

        _context = context;
        _dataKey = SecretBuffer.CopyOf(dataKey.DangerousSpan);
    }

    /// <summary>Verified plaintext bytes emitted so far.</summary>
    public long PlaintextBytes { get; private set; }

    /// <summary>Payload bytes taken so far (the header is not counted).</summary>
    public long PayloadBytes { get; private set; }

    /// <summary>Takes payload, emits the plaintext of the chunks that became full and verified.</summary>
    /// <exception cref="ArchiveException">VerificationFailed, TooLong.</exception>
    public void Write(ReadOnlySpan<byte> payload, IBufferWriter<byte> plaintext)
    {
        ArgumentNullException.ThrowIfNull(plaintext);
        ThrowIfOver();
        PayloadBytes += payload.Length;
        while (!payload.IsEmpty)
        {
            // Straight from the caller's bytes where a whole chunk stands in them, through the buffer where it is split.
            if (_pendingLength == 0 && _cipher is not null && payload.Length >= ArchiveFormat.SealedChunkLength)
            {
                Emit(payload[..ArchiveFormat.SealedChunkLength], plaintext);
                payload = payload[ArchiveFormat.SealedChunkLength..];
                continue;
            }

            int unit = _cipher is null ? ArchiveFormat.PayloadPrefixLength : ArchiveFormat.SealedChunkLength;
            int take = Math.Min(payload.Length, unit - _pendingLength);
            payload[..take].CopyTo(_pending.AsSpan(_pendingLength));
            _pendingLength += take;
            payload = payload[take..];
            if (_pendingLength == unit)
            {
                _pendingLength = 0;
                if (_cipher is null)
                {
                    Begin(_pending.AsSpan(0, unit));
                }
                else
                {
                    Emit(_pending, plaintext);
                }
            }
        }
    }

    /// <inheritdoc cref="Write(ReadOnlySpan{byte}, IBufferWriter{byte})"/>
    public void Write(in ReadOnlySequence<byte> payload, IBufferWriter<byte> plaintext)
    {
        foreach (ReadOnlyMemory<byte> segment in payload)
        {
            Write(segment.Span, plaintext);
        }
    }

    /// <summary>Opens the last chunk, which proves that this is the end of the archive, and emits its plaintext.</summary>
    /// <exception cref="ArchiveException">Truncated, VerificationFailed.</exception>
    public void Finish(IBufferWriter<byte> plaintext)
    {
        ArgumentNullException.ThrowIfNull(plaintext);
        ThrowIfOver();
        if (_cipher is null || _pendingLength < ArchiveFormat.TagLength)
        {
            throw Fail(ArchiveException.Truncated("its payload"));
        }

        Emit(_pending.AsSpan(0, _pendingLength), plaintext);
        Dispose();
    }

    public void Dispose()
    {
        _finished = true;
        _dataKey?.Dispose();
        _cipher?.Dispose();
    }

    private static byte[] MessageContext(ArchiveHeader header)
    {
        ArgumentNullException.ThrowIfNull(header);
        return header.MessageContext();
    }

    private void Begin(ReadOnlySpan<byte> prefix)
    {
        using MessageKeys keys = MessageKeys.Derive(_dataKey!, prefix[..ArchiveFormat.SaltLength], _context);
        _dataKey!.Dispose();
        _dataKey = null;
        if (!keys.Matches(prefix[ArchiveFormat.SaltLength..]))
        {
            throw Fail(ArchiveException.VerificationFailed());
        }

        _cipher = new ChunkCipher(keys);
    }

    private void Emit(ReadOnlySpan<byte> chunk, IBufferWriter<byte> plaintext)
    {
        int length = chunk.Length - ArchiveFormat.TagLength;

        // The writer's memory belongs to it only after Advance, which a chunk that does not verify never reaches.
        if (!_cipher!.Open(_chunk++, chunk, plaintext.GetSpan(length)))
        {
            throw Fail(ArchiveException.VerificationFailed());
        }

        plaintext.Advance(length);
        PlaintextBytes += length;
    }

    private ArchiveException Fail(ArchiveException failure) => _failure = failure;

    private void ThrowIfOver()
    {
        if (_failure is { } failure)
        {
            throw new ArchiveException(failure.Fault, failure.Message);
        }

        ObjectDisposedException.ThrowIf(_finished, this);
    }
}
