using KeyService.Crypto;

namespace KeyService.Server.Access;

/// <summary>What was granted of a window, and what it has left for everybody.</summary>
internal readonly record struct QuotaReservation(long Granted, long Left);

/// <summary>
/// What this server may still let pass of one quota in the window at hand. Like wraps under a key (ADR 0063), it is reserved in durable blocks before it is
/// given: over all servers and restarts never more than the limit passes; what a server reserved and did not give is lost until the window ends.
/// </summary>
/// <param name="quota">The quota.</param>
/// <param name="reserve">Reserves in the window that begins then at least the first amount and up to the second, or nothing. Never called twice at a time.</param>
internal sealed class QuotaBudget(Quota quota, Func<long, long, DateTimeOffset, Task<QuotaReservation>> reserve) : IDisposable
{
    // A server holds at most this part of a limit that others could use.
    private const int Blocks = 64;

    private readonly SemaphoreSlim _gate = new(1);
    private readonly Lock _counting = new();
    private DateTimeOffset _windowStart;
    private long _remaining;
    private bool _isSpent;

    public Quota Quota => quota;

    /// <summary>Whether nothing at all is left in the window, as far as this server knows.</summary>
    public bool IsSpent(DateTimeOffset now)
    {
        lock (_counting)
        {
            return _isSpent && _windowStart == quota.WindowStart(now);
        }
    }

    /// <summary>Takes an amount whole, reserving when what is here does not suffice; false when the window has not as much left.</summary>
    public ValueTask<bool> TryTakeAsync(long amount, DateTimeOffset now) => TryTakeHere(amount, now) ? ValueTask.FromResult(true) : ReserveAndTakeAsync(amount, now);

    /// <summary>Gives back what was taken in the same window, for a call that another quota refused.</summary>
    public void Return(long amount, DateTimeOffset now)
    {
        lock (_counting)
        {
            if (_windowStart == quota.WindowStart(now))
            {
                _remaining += amount;
                _isSpent &= amount == 0;
            }
        }
    }

    public void Dispose() => _gate.Dispose();

    private bool TryTakeHere(long amount, DateTimeOffset now)
    {
        lock (_counting)
        {
            // Only forward: a clock that is put back goes on in the newer window.
            if (quota.WindowStart(now) is var start && start > _windowStart)
            {
                (_windowStart, _remaining, _isSpent) = (start, 0, false);
            }

            if (_remaining < amount)
            {
                return false;
            }

            _remaining -= amount;
            return true;
        }
    }

    private async ValueTask<bool> ReserveAndTakeAsync(long amount, DateTimeOffset now)
    {
        await _gate.WaitAsync();
        try
        {
            if (TryTakeHere(amount, now))
            {
                return true;
            }

            long lacking;
            DateTimeOffset start;
            lock (_counting)
            {
                lacking = amount - _remaining;
                start = _windowStart;
            }

            var reservation = await reserve(lacking, Math.Max(lacking, quota.Limit / Blocks), start);
            lock (_counting)
            {
                if (_windowStart == start)
                {
                    _remaining += reservation.Granted;
                    _isSpent = _remaining == 0 && reservation.Left == 0;
                }
            }

            return TryTakeHere(amount, now);
        }
        finally
        {
            _gate.Release();
        }
    }
}
