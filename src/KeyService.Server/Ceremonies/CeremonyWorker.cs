using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Ceremonies;

/// <summary>Looks at the schedule on the one server that has the role.</summary>
internal sealed partial class CeremonyWorker(CeremonySchedule schedule, IStore store, AlarmOutlet alarms, TimeProvider time, ILogger<CeremonyWorker> logger) : BackgroundService
{
    private const string Role = "ceremonies";
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    private string? _trouble;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => RoleHolder.RunAsync(store, Role, Retry, time, LookAsync, Say, stoppingToken);

    private async Task LookAsync(CancellationToken held)
    {
        while (!held.IsCancellationRequested)
        {
            try
            {
                await schedule.LookAsync(held);
                _trouble = null;
            }
            catch (OperationCanceledException) when (held.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                Say(e);
                if (e is StoreTamperedException tampered)
                {
                    await alarms.RaiseAsync(AlarmKind.StoreTampered, $"{tampered.Table}/{tampered.RowId}", tampered.Message, held);
                }
            }

            await Task.Delay(Every, time, held).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // Once until it changes: a look is every minute.
    private void Say(Exception exception)
    {
        if (_trouble != exception.Message)
        {
            _trouble = exception.Message;
            LookFailed(logger, exception);
        }
    }

    [LoggerMessage(5150, LogLevel.Warning, "The schedule of ceremonies cannot be looked at now; it is tried again")]
    private static partial void LookFailed(ILogger logger, Exception exception);
}
