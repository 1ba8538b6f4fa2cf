using KeyService.Server.Alarms;

namespace KeyService.Server.Audit.Retention;

/// <summary>Alarms when a month that is over stands in no archive after the configured days.</summary>
internal sealed partial class ArchiveWatch(
    AuditRetention retention, RetentionConfiguration configuration, AlarmOutlet alarms, TimeProvider time, ILogger<ArchiveWatch> logger) : BackgroundService
{
    /// <summary>Between two looks.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    private const string Subject = "audit log";

    /// <summary>One look.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        var next = await retention.NextAsync(await retention.ListAsync(cancellationToken), cancellationToken);
        if (next is { } month && time.GetUtcNow() >= month.End.AddDays(configuration.ArchiveDueDays))
        {
            await alarms.RaiseAsync(
                AlarmKind.AuditArchiveOverdue, Subject,
                $"The audit log of {month} stands in no archive, {configuration.ArchiveDueDays} days after its end.", cancellationToken);
        }
        else
        {
            await alarms.ClearAsync(AlarmKind.AuditArchiveOverdue, Subject, cancellationToken);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (configuration.ArchiveDueDays == 0)
        {
            return;
        }

        using var timer = new PeriodicTimer(Interval, time);
        do
        {
            try
            {
                await LookAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
            {
                LookFailed(logger, e);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(6970, LogLevel.Warning, "It could not be looked whether the audit log stands in archives; it is tried again")]
    private static partial void LookFailed(ILogger logger, Exception exception);
}
