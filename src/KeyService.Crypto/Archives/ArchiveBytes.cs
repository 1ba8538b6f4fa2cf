namespace KeyService.Crypto.Archives;

/// <summary>
/// The bytes of an archive at any place, for any number of readers at once: a file by positioned reads, any other seekable stream one reader
/// at a time. Closed with its last reader when it was given to own.
/// </summary>
internal sealed class ArchiveBytes(Stream archive, bool leaveOpen) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);
    private int _readers = 1;

    public void Share() => Interlocked.Increment(ref _readers);

    /// <summary>One reader fewer.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _readers) == 0)
        {
            _turn.Dispose();
            if (!leaveOpen)
            {
                archive.Dispose();
            }
        }
    }

    /// <returns>Bytes read; fewer than asked for only at the end.</returns>
    public int Read(long offset, Span<byte> destination)
    {
        if (archive is FileStream file)
        {
            int have = 0;
            while (have < destination.Length && RandomAccess.Read(file.SafeFileHandle, destination[have..], offset + have) is var read and > 0)
            {
                have += read;
            }

            return have;
        }

        _turn.Wait();
        try
        {
            archive.Position = offset;
            return archive.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc cref="Read"/>
    public async ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        if (archive is FileStream file)
        {
            int have = 0;
            while (have < destination.Length
                && await RandomAccess.ReadAsync(file.SafeFileHandle, destination[have..], offset + have, cancellationToken).ConfigureAwait(false) is var read and > 0)
            {
                have += read;
            }

            return have;
        }

        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            archive.Position = offset;
            return await archive.ReadAtLeastAsync(destination, destination.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }
}
