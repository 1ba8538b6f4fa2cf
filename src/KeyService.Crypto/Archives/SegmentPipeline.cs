using System.Runtime.ExceptionServices;

namespace KeyService.Crypto.Archives;

/// <summary>
/// All cores on one stream. Each worker takes a free segment, reads into it in turn, works on it beside the others and puts it down as
/// done; whoever then finds the next one due writes, as far as they are done in order. Nobody waits for a slower neighbour while a
/// segment is free, a segment's bytes stay with one worker and in one core's cache, and memory is flat at any length.
/// A segment that fails says so in its turn: everything before it was written, nothing after it.
/// </summary>
internal sealed class SegmentPipeline : IDisposable
{
    private readonly Stream _input;
    private readonly Stream _output;
    private readonly Func<SegmentCipher> _newCipher;
    private readonly ArchiveOptions _options;
    private readonly SemaphoreSlim _reading = new(1);
    private readonly SegmentPool _pool;
    private readonly Lock _gate = new();
    private readonly Segment?[] _done;
    private long _nextToRead;
    private long _nextToWrite;
    private bool _ended;
    private bool _writing;
    private long _inputBytes;
    private long _outputBytes;

    /// <param name="input">Read from its position to its end.</param>
    /// <param name="output">Written in order.</param>
    /// <param name="newCipher">One cipher for each worker.</param>
    /// <param name="inputLength">Bytes of a full input segment; a shorter one is the last.</param>
    /// <param name="outputLength">Room that one segment's output needs.</param>
    /// <param name="options">Workers and progress.</param>
    public SegmentPipeline(
        Stream input, Stream output, Func<SegmentCipher> newCipher, int inputLength, int outputLength, ArchiveOptions options)
    {
        options.Check();
        _input = input;
        _output = output;
        _newCipher = newCipher;
        _options = options;

        // Two more than workers: one to be written and one to be read while all work.
        int segments = options.Workers == 1 ? 1 : options.Workers + 2;
        _pool = new SegmentPool(segments, inputLength, outputLength);
        _done = new Segment?[segments];
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

        Task all = Task.WhenAll(Enumerable.Range(0, _options.Workers).Select(_ => Task.Run(Guarded, CancellationToken.None)));
        await all.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (first is not null)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ExceptionDispatchInfo.Throw(first);
        }

        return (_inputBytes, _outputBytes);
    }

    public void Dispose()
    {
        _reading.Dispose();
        _pool.Dispose();
    }

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        using SegmentCipher cipher = _newCipher();
        while (await ReadAsync(cancellationToken).ConfigureAwait(false) is { } segment)
        {
            segment.Transform(cipher);
            if (PutDown(segment))
            {
                await WriteAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The next segment of the input, or null when the last was read.</summary>
    private async ValueTask<Segment?> ReadAsync(CancellationToken cancellationToken)
    {
        Segment segment = await _pool.RentAsync(cancellationToken).ConfigureAwait(false);
        await _reading.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_ended)
            {
                _pool.Return(segment);
                return null;
            }

            await segment.FillAsync(_input, _nextToRead++, cancellationToken).ConfigureAwait(false);
            _ended = segment.IsLast;
            return segment;
        }
        finally
        {
            _reading.Release();
        }
    }

    /// <returns>Whether the caller is to write now; false when another does and will come to this segment.</returns>
    private bool PutDown(Segment segment)
    {
        lock (_gate)
        {
            // Numbers in flight differ by less than there are segments, so no two meet in one place.
            _done[segment.Number % _done.Length] = segment;
            if (_writing || segment.Number != _nextToWrite)
            {
                return false;
            }

            _writing = true;
            return true;
        }
    }

    private async ValueTask WriteAsync(CancellationToken cancellationToken)
    {
        while (TakeDue() is { } segment)
        {
            segment.ThrowIfFailed();
            await segment.WriteAsync(_output, cancellationToken).ConfigureAwait(false);
            _inputBytes += segment.InputLength;
            _outputBytes += segment.OutputLength;
            _options.Progress?.Report(Math.Min(_inputBytes, _outputBytes));
            _pool.Return(segment);
        }
    }

    private Segment? TakeDue()
    {
        lock (_gate)
        {
            ref Segment? place = ref _done[_nextToWrite % _done.Length];
            Segment? due = place;
            place = null;
            _writing = due is not null;
            _nextToWrite += _writing ? 1 : 0;
            return due;
        }
    }
}
