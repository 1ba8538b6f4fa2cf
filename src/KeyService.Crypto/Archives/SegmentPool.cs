using System.Collections.Concurrent;

namespace KeyService.Crypto.Archives;

/// <summary>A fixed number of segments, made when first needed. The last one returned goes out first: it is warm.</summary>
internal sealed class SegmentPool(int count, int inputLength, int outputLength) : IDisposable
{
    private readonly ConcurrentStack<Segment> _free = new();
    private readonly ConcurrentBag<Segment> _all = [];
    private readonly SemaphoreSlim _available = new(count);

    /// <summary>Waits until a segment is free.</summary>
    public async ValueTask<Segment> RentAsync(CancellationToken cancellationToken)
    {
        await _available.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (_free.TryPop(out Segment? segment))
        {
            return segment;
        }

        segment = new Segment(inputLength, outputLength);
        _all.Add(segment);
        return segment;
    }

    public void Return(Segment segment)
    {
        _free.Push(segment);
        _available.Release();
    }

    public void Dispose()
    {
        foreach (Segment segment in _all)
        {
            segment.Dispose();
        }

        _available.Dispose();
    }
}
