using System.Collections.Concurrent;
using KeyService.Crypto.Backups;
using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Backups;

/// <summary>
/// Keeps the destinations: writes a bundle when versions exist that none holds, or when the newest full one grows old; copies it to each destination; reads
/// copies again once a day. One server of an installation at a time does it. A destination that fails is told and tried again, the others go on.
/// </summary>
internal sealed class BackupWriter : BackgroundService
{
    private const string Role = "backup";

    private static readonly TimeSpan RoleRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    private readonly BackupConfiguration _configuration;
    private readonly IStore _store;
    private readonly BackupTables _tables;
    private readonly BundleSigner _signer;
    private readonly BundleMaker _maker;
    private readonly BundleCopies _copies;
    private readonly DestinationAlarms _alarms;
    private readonly TimeProvider _time;
    private readonly ILogger<BackupWriter> _logger;
    private readonly List<BackupDestination> _destinations;
    private readonly SemaphoreSlim _woken = new(0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<Task, byte> _inTurn = new();
    private BundleOrigin? _origin;

    public BackupWriter(
        BackupConfiguration configuration, IStore store, RowAuthenticator rows, BundleSigner signer, AlarmOutlet alarms, TimeProvider time,
        ILogger<BackupWriter> logger)
    {
        _configuration = configuration;
        _store = store;
        _tables = new BackupTables(rows);
        _signer = signer;
        _time = time;
        _logger = logger;
        _destinations = [.. configuration.Destinations.Select(each => new BackupDestination(each, time))];
        _maker = new BundleMaker(configuration, _destinations, store, rows, _tables, signer, alarms, time, logger);
        _copies = new BundleCopies(store, _tables, time, logger);
        _alarms = new DestinationAlarms(_destinations, store, _tables, alarms, logger);
    }

    /// <summary>The destinations as this server last saw them.</summary>
    public IReadOnlyList<BackupDestination> Destinations => _destinations;

    /// <summary>The bundle that this server writes now; null when it writes none.</summary>
    public BackupProgress? Progress => _maker.Progress;

    /// <summary>Says that versions were made: they are looked for at once. Returns at once and may be called for each of many.</summary>
    public void Wake()
    {
        if (_woken.CurrentCount == 0)
        {
            _woken.Release();
        }
    }

    /// <summary>
    /// A bundle after <paramref name="after"/>, verified at one destination at least: one that stands by now, or a new one. Waits its turn. What is begun
    /// goes on when the caller does not wait for it any more.
    /// </summary>
    /// <returns>Null when no destination could be written; <see cref="Destinations"/> says why.</returns>
    public Task<BundleRow?> ExportAsync(long after, BundleKind kind, CancellationToken cancellationToken) => InTurnAsync(
        async ended =>
        {
            if (await FindAfterAsync(after, kind, ended) is { } there)
            {
                return there;
            }

            await CycleAsync(kind, patient: false, checkAll: false, ended);
            return await FindAfterAsync(after, kind, ended);
        },
        cancellationToken);

    /// <summary>Reads every copy in force again, and mends what can be mended. Waits its turn, and goes on as <see cref="ExportAsync"/> does.</summary>
    public Task CheckCopiesAsync(CancellationToken cancellationToken) => InTurnAsync(
        async ended =>
        {
            await CycleAsync(demanded: null, patient: false, checkAll: true, ended);
            return true;
        },
        cancellationToken);

    /// <summary>Does what is due.</summary>
    /// <returns>False when another server, or another call, is at it: what was made meanwhile may have escaped that one.</returns>
    public async Task<bool> RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var role = await _store.TryTakeRoleAsync(Role, cancellationToken);
        if (role is null)
        {
            return false;
        }

        using var both = CancellationTokenSource.CreateLinkedTokenSource(role.Lost, cancellationToken);
        await CycleAsync(demanded: null, patient: true, checkAll: false, both.Token);
        return true;
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await base.StopAsync(cancellationToken);
        // What was asked for ends with the service: its half-written file is removed, and the store is still there to be asked.
        await Task.WhenAll(_inTurn.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public override void Dispose()
    {
        base.Dispose();
        _woken.Dispose();
        _stopping.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (_destinations.Count == 0)
        {
            return;
        }

        while (!stoppingToken.IsCancellationRequested)
        {
            var pause = _configuration.Interval;
            try
            {
                var next = await RunOnceAsync(stoppingToken) ? pause : Retry;
                var retries = _destinations.Where(each => each.IsFailing).Select(each => each.RetryTime - _time.GetUtcNow()).Append(next);
                pause = retries.Append(pause).Min();
                pause = pause > RoleRetry ? pause : RoleRetry;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // The store or the HSM is away, or the role was lost: none of the destinations' faults.
                _logger.Failed(e);
                pause = Retry;
                if (e is InvalidOperationException)
                {
                    await _alarms.TellAllAsync(e.Message, stoppingToken);
                }
            }

            await PauseAsync(pause, stoppingToken);
        }
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken stoppingToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        try
        {
            await Task.WhenAny(_woken.WaitAsync(ended.Token), Task.Delay(pause, _time, ended.Token));
        }
        finally
        {
            await ended.CancelAsync();
        }
    }

    private async Task<T> InTurnAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var running = RunAsync();
        _inTurn.TryAdd(running, 0);
        try
        {
            return await running.WaitAsync(cancellationToken);
        }
        finally
        {
            _ = running.ContinueWith(ended => _inTurn.TryRemove(ended, out _), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }

        async Task<T> RunAsync()
        {
            await using var role = await TakeRoleAsync(_stopping.Token);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(role.Lost, _stopping.Token);
            return await work(either.Token);
        }
    }

    private async Task<BundleRow?> FindAfterAsync(long after, BundleKind kind, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(_store, _tables, cancellationToken);
        return state.InForce.FirstOrDefault(bundle => bundle.Sequence > after && (bundle.Kind == kind || bundle.Kind == BundleKind.Full));
    }

    private async Task<StoreRole> TakeRoleAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await _store.TryTakeRoleAsync(Role, cancellationToken) is { } role)
            {
                return role;
            }

            await Task.Delay(RoleRetry, _time, cancellationToken);
        }
    }

    /// <param name="demanded">A bundle that somebody asked for; null: what is due.</param>
    /// <param name="patient">Leaves destinations alone that failed and are not to be tried again yet.</param>
    /// <param name="checkAll">Reads every copy in force, not only those that were not read for a day.</param>
    private async Task CycleAsync(BundleKind? demanded, bool patient, bool checkAll, CancellationToken cancellationToken)
    {
        _origin ??= new BundleOrigin((await Installation.ReadAsync(_store, cancellationToken))!.Id, await _signer.PublicKey(cancellationToken));
        List<BackupDestination> reachable = [];
        foreach (var destination in _destinations.Where(each => !patient || each.IsDue).ToList())
        {
            destination.Begin();
            if (await destination.TryAsync(
                () =>
                {
                    destination.Look(_origin.Prefix);
                    return Task.CompletedTask;
                },
                _logger))
            {
                reachable.Add(destination);
            }
            else if (checkAll || await _copies.IsAnyDueAsync(destination, cancellationToken))
            {
                await _copies.LostAsync(destination, cancellationToken);
            }
        }

        foreach (var destination in reachable)
        {
            await _copies.CheckAsync(destination, checkAll, _origin, cancellationToken);
        }

        await _copies.MendAsync(reachable, _origin, cancellationToken);
        if (reachable.Count > 0 && await _maker.DecideAsync(demanded, cancellationToken) is { } kind)
        {
            await _maker.WriteAsync(kind, _origin, reachable, cancellationToken);
            await _copies.MendAsync(reachable, _origin, cancellationToken);
        }

        await _alarms.TellAsync(reachable, cancellationToken);
    }
}
