using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// Makes an archive of what is written to it. <b>Only <see cref="Complete"/> or <see cref="CompleteAsync"/> seals it.</b> Disposed of without
/// that, it leaves an archive without an end, which no reader accepts: so an exception on the way to the end, a dead producer or a forgotten
/// call can never pass half a backup off as a whole one.
/// </summary>
/// <remarks>
/// For one thread at a time. Bytes go out in segments of 1 MiB; <see cref="Flush"/> passes on what went out and does not shorten a segment.
/// Memory is about 2 MiB a worker and 2 MiB more at any length; it is zeroed at the end. After a write that failed or was cancelled in the middle nobody knows what
/// reached the archive: every further write and the completion are refused.
/// </remarks>
public sealed class ArchiveWriteStream : ArchiveStream
{
    private readonly Stream _archive;
    private readonly MessageKeys _keys;
    private readonly SegmentQueue _queue;
    private readonly IProgress<long>? _progress;
    private readonly bool _leaveOpen;
    private byte[]? _preamble;
    private Segment? _current;
    private long _taken;
    private long _plaintextBytes;
    private long _archiveBytes;
    private bool _failed;
    private bool _disposed;

    /// <param name="archive">Written from its position; flushed by the completion, not made durable: that is its owner's.</param>
    /// <param name="header">Header of the new archive.</param>
    /// <param name="dataKey">The 32-byte data key that the header's slots wrap, used for this archive only; not kept.</param>
    /// <param name="options">Workers and progress.</param>
    /// <param name="leaveOpen">Whether <paramref name="archive"/> stays open when this is disposed of.</param>
    public ArchiveWriteStream(Stream archive, ArchiveHeader header, SecretBuffer dataKey, ArchiveOptions? options = null, bool leaveOpen = false)
        : base(header)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ArgumentNullException.ThrowIfNull(header);
        options ??= ArchiveOptions.Default;
        options.Check();
        _archive = archive;
        _leaveOpen = leaveOpen;
        _progress = options.Progress;
        byte[] salt = RandomNumberGenerator.GetBytes(ArchiveFormat.SaltLength);
        _keys = MessageKeys.Derive(dataKey, salt, header.MessageContext());
        _preamble = [.. header.ToArray(), .. salt, .. _keys.Commitment];
        _queue = new SegmentQueue(
            () => new SegmentSealer(_keys), SegmentCipher.PlaintextLength, SegmentCipher.SealedLength, options.Workers);
    }

    /// <summary>Whether the archive was sealed.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Plaintext bytes taken so far.</summary>
    public long PlaintextBytes => _taken;

    /// <inheritdoc/>
    public override bool CanWrite => !_disposed && !IsComplete && !_failed;

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Demand();
        while (!buffer.IsEmpty)
        {
            buffer = buffer[Take(buffer)..];
            while (_queue.IsFull)
            {
                WriteOut();
            }
        }
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Demand();
        cancellationToken.ThrowIfCancellationRequested();
        while (!buffer.IsEmpty)
        {
            buffer = buffer[Take(buffer.Span)..];
            while (_queue.IsFull)
            {
                await WriteOutAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        Demand();
        _archive.Flush();
    }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken)
    {
        Demand();
        return _archive.FlushAsync(cancellationToken);
    }

    /// <summary>Seals the archive and flushes it. Call it only when everything was written and whoever produced it ended well.</summary>
    /// <exception cref="InvalidOperationException">A write failed before, or it was completed.</exception>
    public ArchiveSummary Complete()
    {
        BeginEnd();
        while (!_queue.IsEmpty)
        {
            WriteOut();
        }

        _archive.Flush();
        return End();
    }

    /// <inheritdoc cref="Complete"/>
    public async Task<ArchiveSummary> CompleteAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BeginEnd();
        while (!_queue.IsEmpty)
        {
            await WriteOutAsync(cancellationToken).ConfigureAwait(false);
        }

        await _archive.FlushAsync(cancellationToken).ConfigureAwait(false);
        return End();
    }

    /// <summary>Zeroes what is held; seals nothing.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (ReleaseOwn() && !_leaveOpen)
        {
            await _archive.DisposeAsync().ConfigureAwait(false);
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Zeroes what is held; seals nothing.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing && ReleaseOwn() && !_leaveOpen)
        {
            _archive.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Demand()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (IsComplete)
        {
            throw new InvalidOperationException("The archive is complete: nothing can be written behind its end.");
        }

        if (_failed)
        {
            throw new InvalidOperationException("An earlier write of this archive failed or was cancelled: make the archive anew.");
        }
    }

    private int Take(ReadOnlySpan<byte> buffer)
    {
        _current ??= _queue.Take();
        int taken = _current.Append(buffer);
        _taken += taken;
        if (_current.IsFull)
        {
            StartCurrent();
        }

        return taken;
    }

    private void StartCurrent()
    {
        _queue.Start(_current!);
        _current = null;
    }

    private void BeginEnd()
    {
        Demand();

        // Until End it counts as failed: whatever interrupts the completion leaves an archive that may lack its end.
        _failed = true;
        _current ??= _queue.Take();
        _current.MarkLast();
        StartCurrent();
    }

    private ArchiveSummary End()
    {
        _failed = false;
        IsComplete = true;
        return new ArchiveSummary(_plaintextBytes, _archiveBytes);
    }

    private void WriteOut()
    {
        bool ending = _failed;
        _failed = true;
        WritePreamble();
        Segment segment = _queue.Next();
        segment.ThrowIfFailed();
        segment.Write(_archive);
        Count(segment);
        _failed = ending;
    }

    private async ValueTask WriteOutAsync(CancellationToken cancellationToken)
    {
        bool ending = _failed;
        _failed = true;
        if (_preamble is { } preamble)
        {
            _preamble = null;
            await _archive.WriteAsync(preamble, cancellationToken).ConfigureAwait(false);
            _archiveBytes += preamble.Length;
        }

        Segment segment = await _queue.NextAsync().ConfigureAwait(false);
        segment.ThrowIfFailed();
        await segment.WriteAsync(_archive, cancellationToken).ConfigureAwait(false);
        Count(segment);
        _failed = ending;
    }

    private void WritePreamble()
    {
        if (_preamble is { } preamble)
        {
            _preamble = null;
            _archive.Write(preamble);
            _archiveBytes += preamble.Length;
        }
    }

    private void Count(Segment segment)
    {
        _plaintextBytes += segment.InputLength;
        _archiveBytes += segment.OutputLength;
        _queue.Return(segment);
        _progress?.Report(_plaintextBytes);
    }

    /// <returns>False when it was released before.</returns>
    private bool ReleaseOwn()
    {
        if (_disposed)
        {
            return false;
        }

        _disposed = true;
        if (_current is not null)
        {
            _queue.Return(_current);
        }

        _queue.Dispose();
        _keys.Dispose();
        return true;
    }
}
