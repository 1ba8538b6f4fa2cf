namespace KeyService.Crypto.Archives;

/// <summary>
/// Fills whole segments from a stream. Files are read by synchronous calls on the worker's own thread: the bytes arrive in the cache
/// of the core that works on them, and no hop to another thread is paid (the asynchronous call on a file would make one).
/// </summary>
internal sealed class SegmentSource(Stream stream)
{
    private readonly bool _synchronous = stream is FileStream { IsAsync: false };

    /// <returns>Bytes read; fewer than asked for only at the end.</returns>
    public ValueTask<int> ReadAsync(byte[] segment, CancellationToken cancellationToken) => _synchronous
        ? ValueTask.FromResult(stream.ReadAtLeast(segment, segment.Length, throwOnEndOfStream: false))
        : stream.ReadAtLeastAsync(segment, segment.Length, throwOnEndOfStream: false, cancellationToken);
}

/// <summary>Writes segments to a stream; files by synchronous calls, as above.</summary>
internal sealed class SegmentSink(Stream stream)
{
    private readonly bool _synchronous = stream is FileStream { IsAsync: false };

    public ValueTask WriteAsync(ReadOnlyMemory<byte> segment, CancellationToken cancellationToken)
    {
        if (!_synchronous)
        {
            return stream.WriteAsync(segment, cancellationToken);
        }

        stream.Write(segment.Span);
        return ValueTask.CompletedTask;
    }
}
