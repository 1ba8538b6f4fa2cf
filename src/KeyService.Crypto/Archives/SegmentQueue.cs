namespace KeyService.Crypto.Archives;

/// <summary>
/// Segments that are worked on beside their owner and come back in order; for one thread at a time. With one worker the owner's own thread
/// does the work at once.
/// </summary>
/// <param name="newCipher">One cipher for each segment that may be worked on at once.</param>
/// <param name="inputLength">Bytes of a full input segment.</param>
/// <param name="outputLength">Room that one segment's output needs.</param>
/// <param name="workers">Segments worked on at once, 1 to 64; one more is being filled or emptied.</param>
internal sealed class SegmentQueue(Func<SegmentCipher> newCipher, int inputLength, int outputLength, int workers) : IDisposable
{
    private readonly Queue<(Segment Segment, SegmentCipher Cipher, Task Work)> _started = new();
    private readonly Stack<Segment> _free = new();
    private readonly Stack<SegmentCipher> _ciphers = new();
    private long _next;

    /// <summary>Whether as many are under way as there are workers: take one back before the next is started.</summary>
    public bool IsFull => _started.Count >= workers;

    public bool IsEmpty => _started.Count == 0;

    /// <summary>The next segment in order, to be filled.</summary>
    public Segment Take()
    {
        Segment segment = _free.TryPop(out Segment? free) ? free : new Segment(inputLength, outputLength);
        segment.Begin(_next++);
        return segment;
    }

    /// <summary>Begins the work on a filled segment.</summary>
    public void Start(Segment segment)
    {
        SegmentCipher cipher = _ciphers.TryPop(out SegmentCipher? free) ? free : newCipher();
        Task work = Task.CompletedTask;
        if (workers == 1)
        {
            segment.Transform(cipher);
        }
        else
        {
            work = Task.Run(() => segment.Transform(cipher));
        }

        _started.Enqueue((segment, cipher, work));
    }

    /// <summary>Waits for the oldest segment under way and takes it back.</summary>
    public async ValueTask<Segment> NextAsync()
    {
        await _started.Peek().Work.ConfigureAwait(false);
        return TakeBack();
    }

    /// <inheritdoc cref="NextAsync"/>
    public Segment Next()
    {
        _started.Peek().Work.GetAwaiter().GetResult();
        return TakeBack();
    }

    /// <summary>Gives a segment back for another use.</summary>
    public void Return(Segment segment) => _free.Push(segment);

    /// <summary>Waits for what is under way (a fraction of a millisecond a segment) and zeroes everything.</summary>
    public void Dispose()
    {
        while (!IsEmpty)
        {
            Return(Next());
        }

        foreach (SegmentCipher cipher in _ciphers)
        {
            cipher.Dispose();
        }

        foreach (Segment segment in _free)
        {
            segment.Dispose();
        }

        _ciphers.Clear();
        _free.Clear();
    }

    private Segment TakeBack()
    {
        (Segment segment, SegmentCipher cipher, _) = _started.Dequeue();
        _ciphers.Push(cipher);
        return segment;
    }
}
