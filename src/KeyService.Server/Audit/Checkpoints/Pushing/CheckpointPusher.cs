using KeyService.Crypto.Logs;
using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>
/// Gives the newest checkpoint of the directory to everybody who should hold it: at once when it was signed, by one server of the
/// installation. A destination that fails is told by an alarm and tried again with longer and longer pauses, always with the newest
/// checkpoint, which commits to all before; the others go on.
/// </summary>
internal sealed partial class CheckpointPusher : BackgroundService
{
    private const string Role = "checkpoints";

    /// <summary>Between two looks whether another server signed.</summary>
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan LastPush = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastRetry = TimeSpan.FromMinutes(10);

    private readonly List<Standing> _destinations;
    private readonly IStore _store;
    private readonly Cosignatures _cosignatures;
    private readonly CheckpointProofs _proofs;
    private readonly AlarmOutlet _alarms;
    private readonly TimeProvider _time;
    private readonly ILogger<CheckpointPusher> _logger;
    private readonly SemaphoreSlim _woken = new(0);
    private bool _leads;

    public CheckpointPusher(
        IReadOnlyList<ICheckpointDestination> destinations, IStore store, Cosignatures cosignatures, AlarmOutlet alarms, TimeProvider time, ILogger<CheckpointPusher> logger)
    {
        _destinations = [.. destinations.Select(each => new Standing(each))];
        _store = store;
        _cosignatures = cosignatures;
        _proofs = new CheckpointProofs(store);
        _alarms = alarms;
        _time = time;
        _logger = logger;
    }

    public static IReadOnlyList<ICheckpointDestination> DestinationsOf(AuditConfiguration configuration) =>
    [
        .. configuration.Checkpoints.Select(each => each switch
        {
            { Directory: { } directory } => (ICheckpointDestination)new CheckpointDirectory(each.Name, directory),
            { Webhook: { } url } => new CheckpointWebhook(each.Name, url, each.CaPath),
            _ => new CheckpointWitness(each.Name, each.Witness!, each.WitnessKey!, each.CaPath),
        }),
    ];

    /// <summary>Says that a checkpoint was signed. Returns at once.</summary>
    public void Wake()
    {
        if (_destinations.Count > 0 && _woken.CurrentCount == 0)
        {
            _woken.Release();
        }
    }

    /// <summary>Pushes to whoever lacks the newest checkpoint and may be tried now.</summary>
    public async Task PushAsync(CancellationToken cancellationToken)
    {
        if (await new Export.LogExport(_store, SignedLog.Directory).CheckpointAsync(0, long.MaxValue, cancellationToken) is not { } newest
            || !SignedNote.TryParse(newest.Note, out var note) || !Checkpoint.TryParse(note!.Text, out var checkpoint))
        {
            return;
        }

        var pushed = new PushedCheckpoint(checkpoint!, note, (old, cancellation) => _proofs.ProveAsync(old, newest.Size, cancellation));
        // One after another: proofs share what they read. A dead one costs the others ten seconds, once a pause of its own.
        foreach (var destination in _destinations.Where(each => each.Size != newest.Size && _time.GetUtcNow() >= each.RetryTime))
        {
            await PushAsync(destination, pushed, cancellationToken);
        }
    }

    /// <summary>The slot was sealed just now: whoever is there gets that too, in three seconds.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (!_leads)
        {
            return;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(LastPush);
        try
        {
            await PushAsync(limit.Token);
        }
        catch (Exception e)
        {
            LookFailed(_logger, e);
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        _woken.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        StoreRole? role = null;
        try
        {
            while (_destinations.Count > 0 && !stoppingToken.IsCancellationRequested)
            {
                role = await TryPushAsync(role, stoppingToken);
                await WaitAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
        finally
        {
            await (role?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
    }

    // Keeps the role while it lasts: another server does not know what this one pushed.
    private async Task<StoreRole?> TryPushAsync(StoreRole? role, CancellationToken stoppingToken)
    {
        try
        {
            role ??= await _store.TryTakeRoleAsync(Role, stoppingToken);
            _leads = role is not null;
            if (role is not null)
            {
                using var end = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, role.Lost);
                await PushAsync(end.Token);
            }

            return role;
        }
        catch (Exception e) when (!stoppingToken.IsCancellationRequested)
        {
            LookFailed(_logger, e);
            if (role?.Lost.IsCancellationRequested == true)
            {
                await role.DisposeAsync();
                return null;
            }

            return role;
        }
    }

    private async Task WaitAsync(CancellationToken stoppingToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        var pause = _destinations.Where(each => each.Problem is not null).Select(each => each.RetryTime - _time.GetUtcNow()).Append(Every).Min();
        var first = await Task.WhenAny(
            Task.Delay(pause > FirstRetry ? pause : FirstRetry, _time, enough.Token), _woken.WaitAsync(enough.Token));
        await enough.CancelAsync();
        await first;
    }

    private async Task PushAsync(Standing destination, PushedCheckpoint pushed, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var signature in await destination.Way.PushAsync(pushed, cancellationToken))
            {
                _cosignatures.Add(pushed.Checkpoint.Size, signature);
            }

            if (destination.Worked(pushed.Checkpoint.Size))
            {
                await _alarms.ClearAsync(AlarmKind.CheckpointDestination, destination.Way.Name, cancellationToken);
            }
        }
        catch (CheckpointPushException e)
        {
            destination.Failed(e.Message, _time.GetUtcNow());
            PushFailed(_logger, destination.Way.Name, e.Message);
            await _alarms.RaiseAsync(
                AlarmKind.CheckpointDestination, destination.Way.Name,
                $"The newest checkpoint of the audit log does not reach {destination.Way.Name}: {e.Message}. {(e.Contradicts ? "Export the log and compare it with what is held there." : "It is tried again.")}",
                e.Contradicts ? AlarmSeverity.Critical : AlarmSeverity.Warning, cancellationToken);
        }
    }

    [LoggerMessage(5030, LogLevel.Warning, "The newest checkpoint of the audit log does not reach {Destination}: {Problem}")]
    private static partial void PushFailed(ILogger logger, string destination, string problem);

    [LoggerMessage(5031, LogLevel.Warning, "Checkpoints of the audit log could not be pushed; it is tried again")]
    private static partial void LookFailed(ILogger logger, Exception exception);

    /// <summary>What this server knows of a destination.</summary>
    private sealed class Standing(ICheckpointDestination way)
    {
        private int _failures;
        private bool _known;

        public ICheckpointDestination Way => way;

        /// <summary>The checkpoint that it has.</summary>
        public long Size { get; private set; } = -1;

        public string? Problem { get; private set; }

        public DateTimeOffset RetryTime { get; private set; } = DateTimeOffset.MinValue;

        /// <summary>True when an alarm may stand: of this server, or of one before it.</summary>
        public bool Worked(long size)
        {
            var stood = Problem is not null || !_known;
            (Size, Problem, _failures, RetryTime, _known) = (size, null, 0, DateTimeOffset.MinValue, true);
            return stood;
        }

        /// <summary>Tried again after 5 s, 10 s, 20 s, … up to 10 min.</summary>
        public void Failed(string problem, DateTimeOffset now)
        {
            Problem = problem;
            RetryTime = now + TimeSpan.FromTicks(Math.Min(FirstRetry.Ticks << Math.Min(_failures++, 16), LastRetry.Ticks));
        }
    }
}
