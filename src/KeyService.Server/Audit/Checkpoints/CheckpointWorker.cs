using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>
/// Has checkpoints made: at start, once a minute and every 10,000 records when the log grew, and at the end, when the slot is sealed. Calls
/// never wait for it. When none could be made for five minutes an alarm says so.
/// </summary>
internal sealed partial class CheckpointWorker(
    Checkpoints checkpoints, AuditLog current, AlarmOutlet alarms, TimeProvider time, ILogger<CheckpointWorker> logger, CheckpointPusher? pusher = null)
    : BackgroundService
{
    /// <summary>Records between checkpoints at most, while they come faster than <see cref="Every"/>.</summary>
    public const long Interval = 10_000;

    /// <summary>Between checkpoints of a log that grows.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan SealingLimit = TimeSpan.FromSeconds(3);

    private readonly SemaphoreSlim _soon = new(0);
    private DateTimeOffset _lastDone;
    private bool _raised;

    /// <summary>Has a checkpoint made now instead of within a minute. Returns at once.</summary>
    public void SignSoon()
    {
        if (_soon.CurrentCount == 0)
        {
            _soon.Release();
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        _soon.Dispose();
    }

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        _lastDone = time.GetUtcNow();
        await TryMakeAsync(sealing: false, cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        // An HSM that hangs must not keep the server from ending in order: then the slot stays unsealed, as after a crash.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(SealingLimit);
        try
        {
            await TryMakeAsync(sealing: true, limit.Token);
        }
        catch (OperationCanceledException e)
        {
            Failed(logger, e);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var retry = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await WaitAsync(retry, stoppingToken);
                retry = checkpoints.Unsigned > 0 && !await TryMakeAsync(sealing: false, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (StoreUnavailableException)
            {
                // Another slot is written now, or none: the next attempt finds out.
                retry = true;
            }
        }
    }

    private async Task WaitAsync(bool retry, CancellationToken stoppingToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        var delay = Task.Delay(retry ? Retry : Every, time, enough.Token);
        if (retry)
        {
            await delay;
            return;
        }

        var more = current.WaitForMoreAsync(checkpoints.SignedSize + Interval - 1, enough.Token).AsTask();
        var first = await Task.WhenAny(delay, more, _soon.WaitAsync(enough.Token));
        await enough.CancelAsync();
        await first;
    }

    private async Task<bool> TryMakeAsync(bool sealing, CancellationToken cancellationToken)
    {
        try
        {
            await checkpoints.MakeAsync(sealing, cancellationToken);
            _lastDone = time.GetUtcNow();
            pusher?.Wake();
            if (_raised)
            {
                _raised = false;
                await alarms.ClearAsync(AlarmKind.CheckpointMissing, Environment.MachineName, cancellationToken);
            }

            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            Failed(logger, e);
            if (!sealing && (e is StoreTamperedException || time.GetUtcNow() - _lastDone > Patience))
            {
                _raised = true;
                await alarms.RaiseAsync(
                    AlarmKind.CheckpointMissing, Environment.MachineName,
                    $"The audit log has had no signed checkpoint since {_lastDone:u}: {e.Message} What is recorded meanwhile is proven by none.", cancellationToken);
            }

            return false;
        }
    }

    [LoggerMessage(5020, LogLevel.Warning, "The audit log could not be signed; it is tried again")]
    private static partial void Failed(ILogger logger, Exception exception);
}
