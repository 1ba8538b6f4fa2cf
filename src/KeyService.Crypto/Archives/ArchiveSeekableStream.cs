namespace KeyService.Crypto.Archives;

/// <summary>
/// The content of an archive as a stream that can seek. Opening proved key, context and length; every read opens and verifies just the chunks
/// (16 KiB each) that it touches, so damage shows where it is read and nowhere else. That all of it is whole only reading all of it says.
/// </summary>
/// <remarks>
/// For one thread at a time. <see cref="OpenAnother"/> gives a further stream over the same archive with a position of its own, for another
/// thread: a file is then read in parallel, any other stream in turns.
/// </remarks>
public sealed class ArchiveSeekableStream : ArchiveStream
{
    private readonly ArchiveRangeReader _reader;
    private long _position;
    private bool _disposed;

    private ArchiveSeekableStream(ArchiveHeader header, ArchiveRangeReader reader)
        : base(header) => _reader = reader;

    /// <inheritdoc/>
    public override bool CanRead => !_disposed;

    /// <inheritdoc/>
    public override bool CanSeek => !_disposed;

    /// <summary>Bytes of the content, proven.</summary>
    public override long Length
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _reader.Length;
        }
    }

    /// <summary>0 or more; reads at or behind <see cref="Length"/> give nothing.</summary>
    public override long Position
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _position;
        }

        set => Seek(value, SeekOrigin.Begin);
    }

    /// <summary>Opens an archive; see <see cref="ArchiveRangeReader.Open(Stream, ArchiveHeader, SecretBuffer, bool)"/>.</summary>
    /// <exception cref="ArchiveException">Truncated, VerificationFailed.</exception>
    public static ArchiveSeekableStream Open(Stream archive, ArchiveHeader header, SecretBuffer dataKey, bool leaveOpen = false) =>
        new(header, ArchiveRangeReader.Open(archive, header, dataKey, leaveOpen));

    /// <summary>Another stream over the same archive, at its beginning; disposed of by itself. The last one closes the archive.</summary>
    public ArchiveSeekableStream OpenAnother() => new(Header, _reader.OpenAnother());

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int read = _reader.ReadAt(_position, buffer);
        _position += read;
        return read;
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        int read = await _reader.ReadAtAsync(_position, buffer, cancellationToken).ConfigureAwait(false);
        _position += read;
        return read;
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        long from = origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => _position,
            SeekOrigin.End => _reader.Length,
            _ => throw new ArgumentOutOfRangeException(nameof(origin)),
        };
        if (offset < -from || offset > long.MaxValue - from)
        {
            throw new IOException("A position lies before the beginning, or beyond what a position can be.");
        }

        return _position = from + offset;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            _reader.Dispose();
        }

        base.Dispose(disposing);
    }
}
