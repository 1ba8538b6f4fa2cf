using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Keys;

/// <summary>
/// The wraps that this server may still make under one key version. Random 96-bit IVs allow 2^32 encryptions under one key (NIST
/// SP 800-38D, 8.3), over all servers and restarts: so wraps are counted before they are made, in durable blocks. What a server
/// reserved and did not use when it ended is lost, never used twice; so the first blocks are small, for a key that is used now and then by
/// servers that come and go.
/// </summary>
/// <param name="reserve">
/// Reserves a further block of this size durably and returns what was granted, 0 when the limit is reached. Never called twice at a time.
/// </param>
internal sealed class WrapBudget(Func<long, CancellationToken, Task<long>> reserve) : IDisposable
{
    /// <summary>Wraps of the first block; as many as one call may take.</summary>
    public const long FirstBlock = 1 << 10;

    /// <summary>Wraps reserved at a time once a version is in steady use.</summary>
    public const long Block = 1 << 16;

    /// <summary>From here on the version is to be replaced.</summary>
    public const long Half = Limit / 2;

    /// <summary>Wraps under one key version, over all servers, ever.</summary>
    public const long Limit = 1L << 32;

    private readonly SemaphoreSlim _gate = new(1);
    private long _next = FirstBlock;
    private long _remaining;

    /// <summary>Takes <paramref name="count"/> wraps, reserving when they do not suffice.</summary>
    /// <exception cref="Refusal">KEY_EXHAUSTED.</exception>
    public ValueTask TakeAsync(int count, CancellationToken cancellationToken) =>
        TryTake(count) ? ValueTask.CompletedTask : ReserveAndTakeAsync(count, cancellationToken);

    public void Dispose() => _gate.Dispose();

    private async ValueTask ReserveAndTakeAsync(int count, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            while (!TryTake(count))
            {
                var more = await reserve(_next, cancellationToken);
                _next = Math.Min(_next * 8, Block);
                if (more == 0)
                {
                    throw new Refusal(
                        Reason.KeyExhausted,
                        "The key version reached 2^32 encryptions, as many as NIST SP 800-38D allows with random IVs. Rotate the key.");
                }

                Interlocked.Add(ref _remaining, more);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    private bool TryTake(int count)
    {
        var remaining = Volatile.Read(ref _remaining);
        while (remaining >= count)
        {
            var seen = Interlocked.CompareExchange(ref _remaining, remaining - count, remaining);
            if (seen == remaining)
            {
                return true;
            }

            remaining = seen;
        }

        return false;
    }
}
