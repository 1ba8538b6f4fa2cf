using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// Delivers the log to the sinks, on the one server that has the role: each sink by a follower of its own, so that none waits for another.
/// </summary>
internal sealed partial class SinkWorker(
    SinksConfiguration configuration, IStore store, RowAuthenticator rows, AlarmOutlet alarms, TimeProvider time, ILogger<SinkWorker> logger)
    : BackgroundService
{
    private const string Role = "audit-sinks";

    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    /// <summary>How long records gather before they are sent together.</summary>
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan RoleLook = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FinishLimit = TimeSpan.FromSeconds(3);

    private volatile IReadOnlyList<SinkFollower> _followers = [];

    /// <summary>What this server knows of each sink; what another one follows is read from the store.</summary>
    public async Task<IReadOnlyList<(SinkConfiguration Sink, SinkStatus Status)>> StatusAsync(CancellationToken cancellationToken)
    {
        var followers = _followers.ToDictionary(each => each.Configuration.Name);
        var all = new List<(SinkConfiguration, SinkStatus)>();
        foreach (var sink in configuration.All)
        {
            all.Add((sink, followers.GetValueOrDefault(sink.Name)?.Status ?? await ReadAsync(sink, cancellationToken)));
        }

        return all;
    }

    /// <summary>What the followers of this server know; for metrics.</summary>
    public IEnumerable<(SinkConfiguration Sink, SinkStatus Status)> Known() =>
        _followers.Where(each => each.Status is not null).Select(each => (each.Configuration, each.Status!));

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => configuration.All.Count == 0
        ? Task.CompletedTask
        : RoleHolder.RunAsync(store, Role, RoleLook, time, held => FollowAsync(held, stoppingToken), e => RoundFailed(logger, e), stoppingToken);

    private async Task FollowAsync(CancellationToken held, CancellationToken stoppingToken)
    {
        await using var sinks = new OpenSinks();
        var followers = configuration.All.Select(each => new SinkFollower(
            each, sinks.Open(each, time), store, rows, alarms, configuration.AlarmAfter, time, logger)).ToList();
        _followers = followers;
        try
        {
            // Files and sockets may block: not on the thread that starts the server.
            await Task.WhenAll(followers.Select(follower => Task.Run(() => FollowAsync(follower, held, stoppingToken), CancellationToken.None)));
        }
        finally
        {
            _followers = [];
        }
    }

    private async Task FollowAsync(SinkFollower follower, CancellationToken held, CancellationToken stoppingToken)
    {
        while (!held.IsCancellationRequested)
        {
            var pause = Look;
            try
            {
                if (await follower.StepAsync(held))
                {
                    continue;
                }

                pause = follower.Pause > Look ? follower.Pause : Look;
            }
            catch (OperationCanceledException) when (held.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                RoundFailed(logger, e);
                pause = RoleLook;
            }

            await WaitAsync(pause, follower.Pause == TimeSpan.Zero, held);
        }

        if (stoppingToken.IsCancellationRequested)
        {
            await FinishAsync(follower);
        }
    }

    // What this server records wakes it at once; of other servers' records it learns when it looks.
    private async Task WaitAsync(TimeSpan pause, bool wakes, CancellationToken held)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(held);
        var delay = Task.Delay(pause, time, enough.Token);
        var more = wakes ? store.WaitForRecordAsync(store.LastSequence, enough.Token).AsTask() : delay;
        if (await Task.WhenAny(delay, more) != delay)
        {
            await Task.Delay(Gather, time, held).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await enough.CancelAsync();
        await Task.WhenAll(delay, more).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task FinishAsync(SinkFollower follower)
    {
        using var limit = new CancellationTokenSource(FinishLimit, time);
        try
        {
            await follower.FinishAsync(limit.Token);
        }
        catch (Exception e)
        {
            // It is delivered once more by the next server.
            RoundFailed(logger, e);
        }
    }

    private async Task<SinkStatus> ReadAsync(SinkConfiguration sink, CancellationToken cancellationToken)
    {
        var row = await store.ReadAsync(connection => SinkRow.ReadAsync(connection, rows, sink.Name, cancellationToken), cancellationToken);
        var lag = 0L;
        foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellationToken))
        {
            lag += await new AuditLog(store, slot).ReadLastSequenceAsync(cancellationToken) + 1 - row.Next.GetValueOrDefault(slot);
        }

        return new SinkStatus(row, Here: false, 0, lag, null);
    }

    [LoggerMessage(5031, LogLevel.Warning, "The audit log cannot be delivered to its sinks now; it is tried again")]
    private static partial void RoundFailed(ILogger logger, Exception exception);

    private sealed class OpenSinks : IAsyncDisposable
    {
        private readonly List<IAuditSink> _open = [];

        public IAuditSink Open(SinkConfiguration configuration, TimeProvider time)
        {
            IAuditSink sink = configuration switch
            {
                DirectorySinkConfiguration directory => new DirectorySink(directory),
                SyslogSinkConfiguration syslog => new SyslogSink(syslog, time),
                OtlpSinkConfiguration otlp => new OtlpSink(otlp, time),
                _ => throw new InvalidOperationException($"There is no sink of kind {configuration.Kind}."),
            };
            _open.Add(sink);
            return sink;
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var sink in _open)
            {
                await sink.DisposeAsync();
            }
        }
    }
}
