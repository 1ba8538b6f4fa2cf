using System.Data.Common;
using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>
/// Keeps what this server holds in memory in step with what the others change: woken by the database when it can be, every two seconds in any case, and
/// before its own changes are decided on. While the database cannot be reached nothing is followed, and nothing needs to be: no call is
/// answered that cannot be recorded there.
/// </summary>
internal sealed class ChangeFollower(
    IStore store, IEnumerable<FollowedTable> tables, StoreWatch? watch, AlarmOutlet alarms, TimeProvider time, ILogger<ChangeFollower> logger)
    : BackgroundService
{
    /// <summary>Between two looks when nobody wakes it.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan ListenAgain = TimeSpan.FromSeconds(1);
    private const string Subject = "row_changes";

    private readonly Dictionary<string, FollowedTable> _tables = tables.ToDictionary(each => each.Table, StringComparer.Ordinal);
    private readonly SemaphoreSlim _turn = new(1);
    private readonly SemaphoreSlim _woken = new(0, 1);
    private long _position = -1;
    private long _followedAt = time.GetTimestamp();
    private DateTimeOffset _followedTime = time.GetUtcNow();
    private volatile bool _anew;
    private string? _finding;

    /// <summary>Tells of each commit of anybody, until its connection is lost; null where one server has the whole store.</summary>
    public Func<Action, CancellationToken, Task>? Listen { get; set; }

    /// <summary>Up to where this server has followed; -1 before it began.</summary>
    public long Position => Volatile.Read(ref _position);

    /// <summary>Something changed; looks at once.</summary>
    public void Wake()
    {
        try
        {
            _woken.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is on its way.
        }
    }

    /// <summary>Everything is read anew at the next look, which is soon.</summary>
    public void BeginAnew()
    {
        _anew = true;
        Wake();
    }

    /// <summary>The position first, then everything: what changes in between is read twice.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await FollowAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    public override void Dispose()
    {
        _turn.Dispose();
        _woken.Dispose();
        base.Dispose();
    }

    /// <summary>Follows up to what is there now.</summary>
    public async Task FollowAsync(CancellationToken cancellationToken)
    {
        await store.ReadAsync(
            async connection =>
            {
                await CatchUpAsync(connection, cancellationToken);
                return true;
            },
            cancellationToken);
        // After the turn has been given back: an alarm is a commit, and commits take turns with this.
        if (Interlocked.Exchange(ref _finding, null) is { } finding)
        {
            TrustLog.OutOfOrder(logger, finding);
            await alarms.RaiseAsync(
                AlarmKind.StoreTampered, Subject, $"The changes of rows are not in order: {finding}. Everything was read anew. Find out who changed the database.",
                cancellationToken);
            if (watch is not null)
            {
                await watch.LookAsync(cancellationToken);
            }
        }
    }

    /// <summary>As <see cref="FollowAsync"/>, over a connection that may be the writer's inside its transaction.</summary>
    public async Task CatchUpAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var end = await ChangeFeed.ReadPositionAsync(connection);
            if (_position < 0 || _anew || end < _position)
            {
                // Before the reading: what is asked for meanwhile is done the next time.
                if (_position >= 0 && !_anew)
                {
                    _finding = $"position {_position} had been given, and the last one is {end}";
                }

                _anew = false;
                await ReadEverythingAsync(connection, end, cancellationToken);
                return;
            }

            while (_position < end)
            {
                var page = await ChangeFeed.ReadAsync(connection, _position);
                if (page.Count == 0 || page.Index().Any(each => each.Item.Position != _position + 1 + each.Index))
                {
                    // Dropped after a week by those who go on, or taken out by somebody: read everything, and say which when it can be told.
                    _finding = WasAway ? null : $"positions after {_position} are missing";
                    await ReadEverythingAsync(connection, end, cancellationToken);
                    return;
                }

                foreach (var changed in page.Where(change => _tables.ContainsKey(change.Table)).GroupBy(change => change.Table, StringComparer.Ordinal))
                {
                    await _tables[changed.Key].ChangedAsync(
                        connection, changed.Select(change => change.RowId).Distinct(StringComparer.Ordinal).ToList(), cancellationToken);
                }

                Volatile.Write(ref _position, page[^1].Position);
                Followed();
            }

            Followed();
        }
        finally
        {
            _turn.Release();
        }
    }

    // By either clock: what is dropped is dropped by the time of day, and the other stands still while a machine sleeps.
    private bool WasAway =>
        time.GetElapsedTime(_followedAt) >= ChangeFeed.Retention || time.GetUtcNow() - _followedTime >= ChangeFeed.Retention;

    private async Task ReadEverythingAsync(DbConnection connection, long end, CancellationToken cancellationToken)
    {
        foreach (var table in _tables.Values)
        {
            await table.EverythingAsync(connection, cancellationToken);
        }

        Volatile.Write(ref _position, end);
        Followed();
    }

    private void Followed()
    {
        _followedAt = time.GetTimestamp();
        _followedTime = time.GetUtcNow();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(FollowUntilStoppedAsync(stoppingToken), ListenUntilStoppedAsync(stoppingToken));

    // A connection that was lost is opened again; until then the looks every two seconds do.
    private async Task ListenUntilStoppedAsync(CancellationToken stoppingToken)
    {
        while (Listen is { } listen && !stoppingToken.IsCancellationRequested)
        {
            try
            {
                await listen(Wake, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                TrustLog.FollowFailed(logger, e);
                await Task.Delay(ListenAgain, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task FollowUntilStoppedAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await WaitAsync(stoppingToken);
                await FollowAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                TrustLog.FollowFailed(logger, e);
            }
        }
    }

    private async Task WaitAsync(CancellationToken stoppingToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        await Task.WhenAny(_woken.WaitAsync(enough.Token), Task.Delay(Every, time, enough.Token));
        await enough.CancelAsync();
        stoppingToken.ThrowIfCancellationRequested();
    }
}
