using KeyService.Server.Hosting;

namespace KeyService.Server.Pipeline;

/// <summary>
/// Ends a stream whose client is silent: neither sends what is read for nor takes what is written. Time in which the service
/// itself works or waits for something to tell is not silence. A message, at most 1 MiB, must come or be taken within the limit: a slow
/// client lives as long as it moves one; of a part of one nothing is seen here, as HTTP/2 flow control shows no less. <see cref="Token"/> is cancelled.
/// </summary>
internal sealed class IdleWatch : IAsyncDisposable
{
    private const int TicksPerLimit = 4;
    private readonly CancellationTokenSource _source;
    private readonly CancellationTokenRegistration _stop;
    private readonly TimeProvider _time;
    private readonly TimeSpan _limit;
    private readonly ITimer _timer;
    private long _readingSince = long.MaxValue;
    private long _writingSince = long.MaxValue;
    private Refusal? _ended;

    public IdleWatch(LimitsConfiguration limits, TimeProvider time, CancellationToken call, CancellationToken stopping = default)
    {
        _time = time;
        _limit = TimeSpan.FromSeconds(limits.StreamIdleSeconds);
        _source = CancellationTokenSource.CreateLinkedTokenSource(call);
        _timer = time.CreateTimer(static state => ((IdleWatch)state!).Look(), this, _limit / TicksPerLimit, _limit / TicksPerLimit);
        _stop = stopping.UnsafeRegister(static state => ((IdleWatch)state!).End(Refusal.ShuttingDown()), this);
    }

    /// <summary>Why the service ended the stream; null while it did not.</summary>
    public Refusal? Ended => Volatile.Read(ref _ended);

    public CancellationToken Token => _source.Token;

    public void BeginRead() => Volatile.Write(ref _readingSince, _time.GetTimestamp());

    public void EndRead() => Volatile.Write(ref _readingSince, long.MaxValue);

    public void BeginWrite() => Volatile.Write(ref _writingSince, _time.GetTimestamp());

    public void EndWrite() => Volatile.Write(ref _writingSince, long.MaxValue);

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        await _stop.DisposeAsync();
        _source.Dispose();
    }

    private void Look()
    {
        if (IsSilentSince(Volatile.Read(ref _readingSince)) || IsSilentSince(Volatile.Read(ref _writingSince)))
            End(Refusal.StreamIdle(_limit));
    }

    private bool IsSilentSince(long begun) => begun != long.MaxValue && _time.GetElapsedTime(begun) > _limit;

    /// <summary>Ends the stream; the first reason counts.</summary>
    internal void End(Refusal refusal)
    {
        if (Interlocked.CompareExchange(ref _ended, refusal, null) is null)
            _source.Cancel();
    }
}
