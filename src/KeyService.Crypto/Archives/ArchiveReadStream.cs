namespace KeyService.Crypto.Archives;

/// <summary>
/// Reads the content of an archive from its beginning to its end. Every byte that it gives was verified; that the archive was whole only the
/// end says: a read of 0 bytes comes only when the archive's end was proven, and anything else is an <see cref="ArchiveException"/>. Whoever
/// stops reading before has proven nothing about the rest. (An archive in a seekable stream has its end proven when it is opened.)
/// </summary>
/// <remarks>
/// For one thread at a time. With more than one worker it reads ahead by 1 MiB a worker. A read that was cancelled can be repeated; one that
/// found damage fails the same way for ever.
/// </remarks>
public sealed class ArchiveReadStream : ArchiveStream
{
    private readonly Stream _archive;
    private readonly MessageKeys _keys;
    private readonly SegmentQueue _queue;
    private readonly IProgress<long>? _progress;
    private readonly bool _leaveOpen;
    private Segment? _filling;
    private Segment? _current;
    private int _position;
    private long _given;
    private bool _inputEnded;
    private ArchiveException? _failure;
    private bool _disposed;

    private ArchiveReadStream(Stream archive, ArchiveHeader header, MessageKeys keys, ArchiveOptions options, bool leaveOpen)
        : base(header)
    {
        _archive = archive;
        _keys = keys;
        _leaveOpen = leaveOpen;
        _progress = options.Progress;
        _queue = new SegmentQueue(
            () => new SegmentOpener(_keys), SegmentCipher.SealedLength, SegmentCipher.PlaintextLength, options.Workers);
    }

    /// <summary>Whether the end of the archive was read and proven.</summary>
    public bool IsWhole { get; private set; }

    /// <summary>Verified bytes given so far.</summary>
    public long PlaintextBytes => _given;

    /// <inheritdoc/>
    public override bool CanRead => !_disposed;

    /// <summary>Opens what follows a header: key and context are proven, and the end too when the stream can seek.</summary>
    /// <param name="archive">At the payload, where <see cref="ArchiveDecryptor.ReadHeaderAsync"/> left it.</param>
    /// <param name="header">The archive's header.</param>
    /// <param name="dataKey">The unwrapped data key, 32 bytes; not kept.</param>
    /// <param name="options">Workers and progress.</param>
    /// <param name="leaveOpen">Whether <paramref name="archive"/> stays open when the stream is disposed of.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <exception cref="ArchiveException">Truncated, VerificationFailed.</exception>
    public static async Task<ArchiveReadStream> OpenAsync(
        Stream archive, ArchiveHeader header, SecretBuffer dataKey, ArchiveOptions? options = null, bool leaveOpen = false,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        byte[] prefix = new byte[ArchiveFormat.PayloadPrefixLength];
        int have = await archive.ReadAtLeastAsync(prefix, prefix.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return Open(archive, header, dataKey, prefix.AsSpan(0, have), options, leaveOpen);
    }

    /// <inheritdoc cref="OpenAsync"/>
    public static ArchiveReadStream Open(
        Stream archive, ArchiveHeader header, SecretBuffer dataKey, ArchiveOptions? options = null, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(archive);
        Span<byte> prefix = stackalloc byte[ArchiveFormat.PayloadPrefixLength];
        int have = archive.ReadAtLeast(prefix, prefix.Length, throwOnEndOfStream: false);
        return Open(archive, header, dataKey, prefix[..have], options, leaveOpen);
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        Demand();
        while (!buffer.IsEmpty && !IsWhole && IsCurrentEmpty)
        {
            while (!_inputEnded && !_queue.IsFull)
            {
                _filling ??= _queue.Take();
                _filling.Fill(_archive);
                StartFilled();
            }

            TakeNext(_queue.Next());
        }

        return Give(buffer);
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Demand();
        cancellationToken.ThrowIfCancellationRequested();
        while (!buffer.IsEmpty && !IsWhole && IsCurrentEmpty)
        {
            while (!_inputEnded && !_queue.IsFull)
            {
                _filling ??= _queue.Take();
                await _filling.FillAsync(_archive, cancellationToken).ConfigureAwait(false);
                StartFilled();
            }

            TakeNext(await _queue.NextAsync().ConfigureAwait(false));
        }

        return Give(buffer.Span);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (ReleaseOwn() && !_leaveOpen)
        {
            await _archive.DisposeAsync().ConfigureAwait(false);
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && ReleaseOwn() && !_leaveOpen)
        {
            _archive.Dispose();
        }

        base.Dispose(disposing);
    }

    private bool IsCurrentEmpty => _current is null || _position == _current.OutputLength;

    private static ArchiveReadStream Open(
        Stream archive, ArchiveHeader header, SecretBuffer dataKey, ReadOnlySpan<byte> prefix, ArchiveOptions? options, bool leaveOpen)
    {
        ArgumentNullException.ThrowIfNull(header);
        options ??= ArchiveOptions.Default;
        options.Check();
        MessageKeys keys = MessageKeys.Open(dataKey, prefix, header.MessageContext());
        try
        {
            if (archive.CanSeek)
            {
                long chunks = archive.Position;
                PayloadEnd.Prove(archive, chunks, keys);
                archive.Position = chunks;
            }

            return new ArchiveReadStream(archive, header, keys, options, leaveOpen);
        }
        catch
        {
            keys.Dispose();
            throw;
        }
    }

    private void Demand()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_failure is { } failure)
        {
            throw new ArchiveException(failure.Fault, failure.Message);
        }
    }

    private void StartFilled()
    {
        _inputEnded = _filling!.IsLast;
        _queue.Start(_filling);
        _filling = null;
    }

    private void TakeNext(Segment segment)
    {
        if (_current is not null)
        {
            _queue.Return(_current);
        }

        _current = segment;
        _position = 0;
        try
        {
            segment.ThrowIfFailed();
        }
        catch (ArchiveException e)
        {
            _failure = e;
            throw;
        }

        // The last segment verified as the last: the archive ends here, however little is left to give.
        IsWhole = segment.IsLast;
    }

    private int Give(Span<byte> buffer)
    {
        int given = IsCurrentEmpty ? 0 : Math.Min(buffer.Length, _current!.OutputLength - _position);
        if (given > 0)
        {
            _current!.Output.Span.Slice(_position, given).CopyTo(buffer);
            _position += given;
            _given += given;
            _progress?.Report(_given);
        }

        return given;
    }

    /// <returns>False when it was released before.</returns>
    private bool ReleaseOwn()
    {
        if (_disposed)
        {
            return false;
        }

        _disposed = true;
        foreach (Segment held in new[] { _current, _filling }.OfType<Segment>())
        {
            _queue.Return(held);
        }

        _queue.Dispose();
        _keys.Dispose();
        return true;
    }
}
