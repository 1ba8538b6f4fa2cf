using KeyService.Hsm;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Rotation;

/// <summary>
/// Rotates what is due, the most pressing first, warns of what cannot be rotated, and keeps two versions of every key waiting. One server of
/// the installation at a time. Everything is paced: after a long sleep, or when the clock was set forward by years, the backlog is worked off
/// at the same rate.
/// </summary>
internal sealed partial class RotationWorker : BackgroundService
{
    private const string Role = "rotation";
    private const int PageSize = 100;
    private static readonly TimeSpan RoleRetry = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LookAheadEvery = TimeSpan.FromHours(1);

    private readonly IStore _store;
    private readonly KeyRotation _rotation;
    private readonly KeyChanges _changes;
    private readonly RotationLedger _ledger;
    private readonly RotationConfiguration _configuration;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly KeyRing _ring;
    private DateTimeOffset _lookedAhead = DateTimeOffset.MinValue;
    private DateTimeOffset _lookedAtAges = DateTimeOffset.MinValue;
    private HashSet<string> _due = [];

    public RotationWorker(
        IStore store, KeyRing ring, KeyRotation rotation, KeyChanges changes, RotationLedger ledger, RotationConfiguration configuration,
        TimeProvider time, ILogger<RotationWorker> logger)
    {
        _store = store;
        _ring = ring;
        _rotation = rotation;
        _changes = changes;
        _ledger = ledger;
        _configuration = configuration;
        _time = time;
        _logger = logger;
        ring.HalfSpent = async (transaction, name) =>
        {
            await changes.RequestRotationAsync(transaction, name);
            transaction.OnCommitted(Wake);
        };
    }

    /// <summary>Whether this server is the one that rotates.</summary>
    public bool RotatesHere { get; private set; }

    /// <summary>When this server last looked for what is due.</summary>
    public DateTimeOffset? LastLook { get; private set; }

    /// <summary>Looks soon, because something changed. Does nothing where another server rotates; that one looks by itself.</summary>
    public void Wake()
    {
        try
        {
            _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is awake already.
        }
    }

    /// <summary>
    /// One look: at most <paramref name="limit"/> keys are rotated or prepared. Nothing while the clock or the database is not to be believed:
    /// a clock that was set back must not decide what is due.
    /// </summary>
    /// <returns>How many were; as many as the limit means that more may wait.</returns>
    public async Task<int> LookAsync(int limit, CancellationToken cancellationToken)
    {
        if (_ring.Gate is { IsOpen: false })
        {
            return 0;
        }

        var now = _time.GetUtcNow();
        var done = await AdoptAsync(limit, cancellationToken);
        done += await RotateDueAsync(now, limit - done, cancellationToken);
        done += await PrepareAsync(limit - done, cancellationToken);
        if (now - _lookedAhead >= LookAheadEvery || now < _lookedAhead)
        {
            await LookAheadAsync(now, cancellationToken);
            _lookedAhead = now;
        }

        LastLook = now;
        return done;
    }

    /// <summary>
    /// Tells of keys near their limit that were due an hour ago and still are, the most pressing ones. For every server: the one that has the rotation
    /// may hang with it, or fail at it, and does not tell of that. What became due while the machine slept was not due at the look before.
    /// </summary>
    public async Task LookAtAgesAsync(CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        if (_ring.Gate is { IsOpen: false } || now >= _lookedAtAges && now - _lookedAtAges < LookAheadEvery)
        {
            return;
        }

        var due = await _ledger.ListAsync(now, CalendarPlace.Start, PageSize, cancellationToken);
        foreach (var name in due.Select(each => each.Name).Where(_due.Contains).Union(await _rotation.ListAgingAsync(cancellationToken)))
        {
            await TryAsync(name, async () =>
            {
                await _rotation.LookAtAgeAsync(name, cancellationToken);
                return true;
            });
        }

        _due = [.. due.Select(each => each.Name)];
        _lookedAtAges = now;
    }

    public override void Dispose()
    {
        base.Dispose();
        _wake.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var role = await _store.TryTakeRoleAsync(Role, stoppingToken);
                if (role is not null)
                {
                    using var until = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, role.Lost);
                    await ServeAsync(until.Token);
                }
                else
                {
                    await TryLookAtAgesAsync(stoppingToken);
                }
            }
            catch (OperationCanceledException)
            {
                // The role was lost, or the server ends.
            }
            catch (Exception e) when (IsPassing(e))
            {
                LookFailed(_logger, e);
            }
            finally
            {
                RotatesHere = false;
            }

            await WaitAsync(RoleRetry, stoppingToken);
        }
    }

    private async Task ServeAsync(CancellationToken cancellationToken)
    {
        RotatesHere = true;
        while (true)
        {
            // A second's worth at a time, so that the pace holds and a role that was lost is noticed.
            var atOnce = Math.Max(1, _configuration.PerMinute / 60);
            var more = false;
            try
            {
                more = await LookAsync(atOnce, cancellationToken) >= atOnce;
            }
            catch (Exception e) when (IsPassing(e))
            {
                LookFailed(_logger, e);
            }

            await TryLookAtAgesAsync(cancellationToken);
            await WaitAsync(
                more ? TimeSpan.FromMinutes((double)atOnce / _configuration.PerMinute) : TimeSpan.FromSeconds(_configuration.LookSeconds),
                cancellationToken);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    // Above all where the look before it failed.
    private async Task TryLookAtAgesAsync(CancellationToken cancellationToken)
    {
        try
        {
            await LookAtAgesAsync(cancellationToken);
        }
        catch (Exception e) when (IsPassing(e))
        {
            LookFailed(_logger, e);
        }
    }

    private async Task<int> AdoptAsync(int limit, CancellationToken cancellationToken)
    {
        var adopted = 0;
        foreach (var name in await _ledger.ListToAdoptAsync(limit, cancellationToken))
        {
            adopted += await TryAsync(name, async () =>
            {
                await _store.CommitAsync(
                    new AuditRecordDraft(AuditEvent.KeyPolicyChanged) { Key = name, Automated = true, Detail = "times of rotation recorded" },
                    transaction => _changes.AdoptAsync(transaction, name), cancellationToken);
                return true;
            });
        }

        return adopted;
    }

    private async Task<int> RotateDueAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken)
    {
        var rotated = 0;
        var place = CalendarPlace.Start;
        // A key that cannot be rotated now does not stand in the way of those behind it.
        while (rotated < limit && await _ledger.ListAsync(now, place, PageSize, cancellationToken) is { Count: > 0 } page)
        {
            foreach (var due in page.TakeWhile(_ => rotated < limit))
            {
                place = due;
                rotated += await TryAsync(due.Name, async () => await _rotation.RotateAsync(due.Name, cancellationToken) == RotationOutcome.Rotated);
            }
        }

        return rotated;
    }

    private async Task<int> PrepareAsync(int limit, CancellationToken cancellationToken)
    {
        var prepared = 0;
        var after = "";
        while (prepared < limit && await _ledger.ListToPrepareAsync(after, PageSize, cancellationToken) is { Count: > 0 } page)
        {
            foreach (var name in page.TakeWhile(_ => prepared < limit))
            {
                after = name;
                prepared += await TryAsync(name, async () => await _rotation.PrepareAsync(name, cancellationToken) > 0);
            }
        }

        return prepared;
    }

    private async Task LookAheadAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var place = CalendarPlace.Start;
        while (await _ledger.ListNearAsync(now, place, PageSize, cancellationToken) is { Count: > 0 } page)
        {
            foreach (var near in page)
            {
                place = near;
                await TryAsync(near.Name, async () =>
                {
                    await _rotation.LookAheadAsync(near.Name, cancellationToken);
                    return true;
                });
            }
        }
    }

    // One key's trouble (a tampered row, say) is that key's alone.
    private async Task<int> TryAsync(string name, Func<Task<bool>> work)
    {
        try
        {
            return await work() ? 1 : 0;
        }
        catch (StoreTamperedException e)
        {
            KeyFailed(_logger, name, e);
            return 0;
        }
    }

    private static bool IsPassing(Exception exception) =>
        exception is StoreUnavailableException or StoreOverloadedException or HsmException or StoreTamperedException or Refusal;

    private async Task WaitAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var delay = Task.Delay(time, _time, timer.Token);
        var woken = _wake.WaitAsync(timer.Token);
        await Task.WhenAny(delay, woken);
        await timer.CancelAsync();
    }

    [LoggerMessage(3100, LogLevel.Warning, "Keys could not be looked through for what is due; it is tried again")]
    private static partial void LookFailed(ILogger logger, Exception exception);

    [LoggerMessage(3101, LogLevel.Error, "The key {Key} could not be rotated")]
    private static partial void KeyFailed(ILogger logger, string key, Exception exception);
}
