using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// All cores on one stream: each worker in turn reads the next segment, works on it beside the others, and writes it when its
/// turn comes. A segment stays with one worker, so its bytes stay in that core's cache, and memory is workers times two segments
/// whatever the length. A segment that fails says so in its turn: everything before it was written, nothing after it.
/// </summary>
internal sealed class SegmentPipeline : IDisposable
{
    private readonly SegmentSource _source;
    private readonly SegmentSink _sink;
    private readonly Func<SegmentCipher> _newCipher;
    private readonly int _inputLength;
    private readonly int _outputLength;
    private readonly ArchiveOptions _options;
    private readonly SemaphoreSlim _reading = new(1);
    private readonly SemaphoreSlim[] _turns;
    private long _nextSegment;
    private bool _ended;
    private long _inputBytes;
    private long _outputBytes;

    /// <param name="input">Read from its position to its end.</param>
    /// <param name="output">Written in order.</param>
    /// <param name="newCipher">One cipher for each worker.</param>
    /// <param name="inputLength">Bytes of a full input segment; a shorter one is the last.</param>
    /// <param name="outputLength">Room that one segment's output needs.</param>
    /// <param name="options">Workers, progress, what to await before the end is written.</param>
    public SegmentPipeline(
        Stream input, Stream output, Func<SegmentCipher> newCipher, int inputLength, int outputLength, ArchiveOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Workers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Workers, 64);
        _source = new SegmentSource(input);
        _sink = new SegmentSink(output);
        _newCipher = newCipher;
        _inputLength = inputLength;
        _outputLength = outputLength;
        _options = options;
        _turns = [.. Enumerable.Range(0, options.Workers).Select(i => new SemaphoreSlim(i == 0 ? 1 : 0))];
    }

    /// <returns>Bytes read and bytes written.</returns>
    public async Task<(long Input, long Output)> RunAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Exception? first = null;
        async Task Guarded()
        {
            try
            {
                await WorkAsync(stop.Token).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // The failure that stopped the others, not the cancellations that followed from it.
                Interlocked.CompareExchange(ref first, e, null);
                await stop.CancelAsync().ConfigureAwait(false);
                throw;
            }
        }

        Task all = Task.WhenAll(_turns.Select(_ => Task.Run(Guarded, CancellationToken.None)));
        await all.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (first is not null)
        {
            cancellationToken.ThrowIfCancellationRequested();
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        }

        return (_inputBytes, _outputBytes);
    }

    public void Dispose()
    {
        _reading.Dispose();
        Array.ForEach(_turns, turn => turn.Dispose());
    }

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        using SegmentCipher cipher = _newCipher();
        byte[] input = GC.AllocateUninitializedArray<byte>(_inputLength, pinned: true);
        byte[] output = GC.AllocateUninitializedArray<byte>(_outputLength, pinned: true);
        try
        {
            bool last;
            do
            {
                (long segment, int length, last) = await ReadAsync(input, cancellationToken).ConfigureAwait(false);
                if (segment < 0)
                {
                    return;
                }

                int written = 0;
                Exception? failure = null;
                try
                {
                    written = cipher.Transform(
                        (ulong)segment * SegmentCipher.ChunksPerSegment, input.AsSpan(0, length), last, output);
                }
                catch (ArchiveException e)
                {
                    failure = e;
                }

                await _turns[segment % _turns.Length].WaitAsync(cancellationToken).ConfigureAwait(false);
                if (failure is not null)
                {
                    throw failure;
                }

                if (last && _options.BeforeSeal is { } beforeSeal)
                {
                    await beforeSeal(cancellationToken).ConfigureAwait(false);
                }

                await _sink.WriteAsync(output.AsMemory(0, written), cancellationToken).ConfigureAwait(false);
                _inputBytes += length;
                _outputBytes += written;
                _options.Progress?.Report(Math.Min(_inputBytes, _outputBytes));
                _turns[(segment + 1) % _turns.Length].Release();
            }
            while (!last);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(input);
            CryptographicOperations.ZeroMemory(output);
        }
    }

    /// <summary>The next segment and its number, or -1 when another worker has read the last.</summary>
    private async ValueTask<(long Segment, int Length, bool Last)> ReadAsync(byte[] input, CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_ended)
            {
                return (-1, 0, true);
            }

            int length = await _source.ReadAsync(input, cancellationToken).ConfigureAwait(false);
            _ended = length < input.Length;
            return (_nextSegment++, length, _ended);
        }
        finally
        {
            _reading.Release();
        }
    }
}
