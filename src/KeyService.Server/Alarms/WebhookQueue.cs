using System.Threading.Channels;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Storage;

namespace KeyService.Server.Alarms;

/// <summary>
/// Alarms on their way to the webhook: a bounded queue, one delivery at a time, each tried several times with growing pauses. What cannot be
/// delivered is let go; repetition brings it again while nobody acknowledges it. Nobody else ever waits for the webhook.
/// </summary>
internal sealed partial class WebhookQueue(WebhookConfiguration configuration, IStore store, TimeProvider time, ILogger<WebhookQueue> logger)
    : BackgroundService
{
    private const int Waiting = 256;

    /// <summary>Pauses after the first, second, … attempt: the last of them ends after about a minute.</summary>
    private static readonly TimeSpan[] Pauses = [.. new[] { 1, 2, 5, 15, 30 }.Select(seconds => TimeSpan.FromSeconds(seconds))];

    private readonly Channel<(AlarmNews News, Alarm Alarm)> _queue = Channel.CreateBounded<(AlarmNews, Alarm)>(
        new BoundedChannelOptions(Waiting) { FullMode = BoundedChannelFullMode.Wait, SingleReader = true });

    private readonly Webhook _webhook = new(configuration, time);
    private long _dropped;
    private bool _failing;

    /// <summary>Never waits: when the queue is full the news is dropped and counted.</summary>
    public void Add(AlarmNews news, Alarm alarm)
    {
        if (!_queue.Writer.TryWrite((news, alarm)))
        {
            Interlocked.Increment(ref _dropped);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var (news, alarm) in _queue.Reader.ReadAllAsync(stoppingToken))
            {
                await DeliverAsync(news, alarm, stoppingToken);
                if (Interlocked.Exchange(ref _dropped, 0) is > 0 and var dropped)
                {
                    Dropped(logger, dropped);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // What waits is in the store, open, and repeated by the next server.
        }
    }

    private async Task DeliverAsync(AlarmNews news, Alarm alarm, CancellationToken stoppingToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            var why = await _webhook.PostAsync(news, alarm, stoppingToken);
            if (why is null)
            {
                _failing = false;
                return;
            }

            if (attempt == Pauses.Length)
            {
                Undelivered(logger, alarm.IdText, Pauses.Length + 1, why);
                await RecordAsync(alarm, why);
                return;
            }

            await Task.Delay(Pauses[attempt], time, stoppingToken);
        }
    }

    // Once until it goes again: every alarm that is open is tried again later, and each would be a record.
    private async Task RecordAsync(Alarm alarm, string why)
    {
        if (_failing)
        {
            return;
        }

        try
        {
            await store.CommitAsync(
                new AuditRecordDraft(AuditEvent.AlarmDeliveryFailed)
                {
                    Automated = true,
                    Outcome = AuditOutcome.Failed,
                    Detail = $"{alarm.IdText} {AlarmKinds.NameOf(alarm.Kind)} to {configuration.Url.Authority}: {why}",
                },
                change: null,
                CancellationToken.None);
            _failing = true;
        }
        catch (Exception exception)
        {
            // Nothing may come out of here: it would stop the server. The line of log stands.
            NotRecorded(logger, exception);
        }
    }

    [LoggerMessage(6030, LogLevel.Error, "Alarm {AlarmId} could not be delivered to the webhook in {Attempts} attempts: {Why}")]
    private static partial void Undelivered(ILogger logger, string alarmId, int attempts, string why);

    [LoggerMessage(6031, LogLevel.Error, "{Count} alarms did not go to the webhook: it is too slow, and the queue was full")]
    private static partial void Dropped(ILogger logger, long count);

    [LoggerMessage(6032, LogLevel.Error, "That the webhook takes nothing could not be recorded")]
    private static partial void NotRecorded(ILogger logger, Exception exception);
}
