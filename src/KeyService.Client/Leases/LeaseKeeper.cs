using System.Collections.Concurrent;
using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>
/// Keeps the data keys of one field encryption or blind index: hears what the service says about them, closes what has ended, counts and
/// reports their use. Thread-safe.
/// </summary>
internal sealed class LeaseKeeper : IAsyncDisposable
{
    private static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastReport = TimeSpan.FromSeconds(5);

    private readonly LeaseWatch watch;
    private readonly UseReporter reporter;
    private readonly ConcurrentDictionary<UInt128, HeldKey> keys = new();
    private readonly ConcurrentDictionary<UInt128, Task> unwrapping = new();
    private readonly Action<LeaseStanding> heard;
    private readonly CancellationTokenSource disposed = new();
    private readonly ITimer ticker;
    private int ticking;
    private long reportedAt;
    private bool reportFailed;
    private Task reporting = Task.CompletedTask;

    public LeaseKeeper(KeyServiceClient client, LeasePolicy policy)
    {
        Times = new LeaseTimes(policy, client.TimeProvider);
        watch = client.Leases;
        reporter = new UseReporter(client.DataKeys, client.TimeProvider);
        heard = OnHeard;
        reportedAt = Times.Now;
        var tick = policy.MaxAge / 20 < LongestTick ? policy.MaxAge / 20 : LongestTick;
        ticker = client.TimeProvider.CreateTimer(static keeper => ((LeaseKeeper)keeper!).Tick(), this, tick, tick);
    }

    public LeaseTimes Times { get; }

    /// <summary>Runs with every tick, after keys whose leases ended were closed: for what ages keys beyond their leases.</summary>
    public Action? Ticked { get; set; }

    public ICollection<HeldKey> Keys => keys.Values;

    public int Count => keys.Count;

    public UseReporter Reporter => reporter;

    public bool IsDisposed => disposed.IsCancellationRequested;

    /// <summary>A key that is here and not closed.</summary>
    public HeldKey? Find(UInt128 id) => keys.TryGetValue(id, out var key) && !key.IsClosed ? key : null;

    /// <summary>Takes a key in; <paramref name="make"/> gets the standing of the version that wrapped it.</summary>
    public TKey Hold<TKey>(string keyVersion, EncryptionContext context, Func<LeaseStanding, TKey> make)
        where TKey : HeldKey
    {
        var standing = watch.Track(keyVersion, context, Times.Policy.MaxAge, heard);
        var key = make(standing);
        LeaseMetrics.LeasesMade.Add(1);
        if (keys.TryRemove(key.Id, out var before))
        {
            Drop(before);
        }
        keys[key.Id] = key;
        if (IsDisposed)
        {
            key.Close();
        }
        return key;
    }

    /// <summary>The key with this id, begun to decrypt; null when something has to be waited for.</summary>
    public HeldKey? TryBeginDecrypt(UInt128 id, int bytes) => keys.TryGetValue(id, out var key) && key.TryBeginDecrypt(Times.Now, bytes) ? key : null;

    /// <summary>The key with this id, begun to decrypt, after waiting for what is needed.</summary>
    /// <param name="id">16 bytes.</param>
    /// <param name="bytes">Of plaintext, for the count.</param>
    /// <param name="unwrap">Finds, unwraps and holds it; under way once at a time for one id, and not cancelled by who stops waiting.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <exception cref="KeyServiceException">WRAPPED_KEY_MISSING; the service refused, or is away.</exception>
    public async ValueTask<HeldKey> BeginDecryptAsync(UInt128 id, int bytes, Func<UInt128, Task> unwrap, CancellationToken cancellation)
    {
        while (true)
        {
            ObjectDisposedException.ThrowIf(IsDisposed, typeof(KeyServiceClient));
            cancellation.ThrowIfCancellationRequested();
            if (TryBeginDecrypt(id, bytes) is { } ready)
            {
                return ready;
            }
            // One that was made here and not yet seen to be one that may decrypt is unwrapped like any other: that asks for the permission.
            if (Find(id) is not { MayDecryptLater: true } key)
            {
                LeaseMetrics.CacheMisses.Add(1);
                await OnceAsync(id, unwrap).WaitAsync(cancellation).ConfigureAwait(false);
            }
            else if (IsAway && key.TryBeginInGrace(encrypt: false, Times.Now, bytes))
            {
                return key;
            }
            else
            {
                await RenewAsync(key, cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task OnceAsync(UInt128 id, Func<UInt128, Task> unwrap)
    {
        var task = unwrapping.GetOrAdd(id, static (id, unwrap) => Task.Run(() => unwrap(id)), unwrap);
        try
        {
            await task.ConfigureAwait(false);
        }
        finally
        {
            unwrapping.TryRemove(new KeyValuePair<UInt128, Task>(id, task));
        }
    }

    /// <summary>Closes a key and lets it go.</summary>
    public void Remove(HeldKey key)
    {
        if (keys.TryRemove(new KeyValuePair<UInt128, HeldKey>(key.Id, key)))
        {
            Drop(key);
        }
    }

    /// <summary>
    /// For a key whose lease ended: asks the service once more. Returns true when the caller may try again (the service was heard, or the grace
    /// holds and the caller enters by <see cref="HeldKey.TryBeginInGrace"/>).
    /// </summary>
    /// <exception cref="KeyServiceException">The service is away and there is no grace, or it refused.</exception>
    public async ValueTask RenewAsync(HeldKey key, CancellationToken cancellation)
    {
        if (await watch.NextOutcomeAsync(cancellation).ConfigureAwait(false) is not { } fault)
        {
            return;
        }
        var inGrace = LeaseFaults.IsAway(fault) && key.Until != HeldKey.Never && Times.Now <= key.Until + Times.Grace && Times.Grace > 0;
        if (!inGrace)
        {
            throw LeaseFaults.Ended(fault, Times.Policy);
        }
    }

    /// <summary>True while the service is known to be away, so that grace needs no waiting.</summary>
    public bool IsAway => watch.Fault is { } fault && LeaseFaults.IsAway(fault);

    /// <summary>Closes every key, reports what was done (for 5 seconds at most) and forgets the rest.</summary>
    public async ValueTask DisposeAsync()
    {
        if (IsDisposed)
        {
            return;
        }
        await disposed.CancelAsync().ConfigureAwait(false);
        await ticker.DisposeAsync().ConfigureAwait(false);
        foreach (var key in keys.Values)
        {
            key.Close();
        }
        foreach (var key in keys.Values)
        {
            Drop(key);
        }
        keys.Clear();
        await reporting.ConfigureAwait(false);
        using var end = new CancellationTokenSource(LastReport);
        try
        {
            await reporter.FlushAsync(end.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Counted as dropped below.
        }
        reporter.Abandon();
        reporter.Dispose();
    }

    private void OnHeard(LeaseStanding standing)
    {
        foreach (var key in keys.Values)
        {
            if (key.Standing == standing)
            {
                var open = !key.IsClosed;
                if (standing.HeardAt == long.MinValue)
                {
                    key.Expire();
                    continue;
                }
                key.Refresh();
                if (open && key.IsClosed)
                {
                    LeaseMetrics.Revocations.Add(1);
                }
            }
        }
    }

    private void Drop(HeldKey key)
    {
        key.Close();
        reporter.Collect(key.Standing.KeyVersion, key.Id, key.TakeUse());
        watch.Untrack(key.Standing, heard);
    }

    private void Tick()
    {
        if (IsDisposed || Interlocked.Exchange(ref ticking, 1) != 0)
        {
            return;
        }
        try
        {
            watch.NoticeClocks();
            foreach (var key in keys.Values)
            {
                if (Times.Now > key.Until + Times.Grace)
                {
                    key.Close();
                }
                if (key.IsZeroed && keys.TryRemove(new KeyValuePair<UInt128, HeldKey>(key.Id, key)))
                {
                    Drop(key);
                }
            }
            Ticked?.Invoke();
            Report();
        }
        finally
        {
            Volatile.Write(ref ticking, 0);
        }
    }

    private void Report()
    {
        var due = Times.Time.GetElapsedTime(reportedAt) >= Times.Policy.ReportInterval || (reportFailed && watch.Fault is null);
        if (!due || !reporting.IsCompleted)
        {
            return;
        }
        reportedAt = Times.Now;
        foreach (var key in keys.Values)
        {
            reporter.Collect(key.Standing.KeyVersion, key.Id, key.TakeUse());
        }
        reporting = Task.Run(async () =>
        {
            try
            {
                reportFailed = !await reporter.FlushAsync(disposed.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // Disposed meanwhile: the last flush takes it along.
            }
        });
    }
}
