using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.AccessReviews;

/// <summary>Ends reviews at their time on the one server that has the role, and sees to their alarms. Calls never wait for it.</summary>
internal sealed partial class AccessReviewWorker(
    AccessReviewDeadline deadline, AccessReviewAlarms judge, IStore store, AlarmOutlet alarms, TimeProvider time, ILogger<AccessReviewWorker> logger)
    : BackgroundService
{
    private const string Role = "access-reviews";

    private static readonly TimeSpan Look = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan JudgeEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    private string? _trouble;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => RoleHolder.RunAsync(store, Role, Retry, time, LookAsync, Say, stoppingToken);

    private async Task LookAsync(CancellationToken held)
    {
        long? judgedAt = null;
        while (!held.IsCancellationRequested)
        {
            var went = await TryAsync(deadline.StepAsync, held);
            if (judgedAt is not { } last || time.GetElapsedTime(last) >= JudgeEvery)
            {
                // Also when a review cannot be ended: that is told too.
                went &= await TryAsync(judge.LookAsync, held);
                judgedAt = time.GetTimestamp();
            }

            if (went)
            {
                _trouble = null;
            }

            await Task.Delay(Look, time, held).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<bool> TryAsync(Func<CancellationToken, Task> look, CancellationToken held)
    {
        try
        {
            await look(held);
            return true;
        }
        catch (OperationCanceledException) when (held.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception e)
        {
            Say(e);
            if (e is StoreTamperedException tampered)
            {
                await alarms.RaiseAsync(AlarmKind.StoreTampered, $"{tampered.Table}/{tampered.RowId}", tampered.Message, held);
            }

            return false;
        }
    }

    // Once until it changes: a look is every ten seconds.
    private void Say(Exception exception)
    {
        if (_trouble != exception.Message)
        {
            _trouble = exception.Message;
            LookFailed(logger, exception);
        }
    }

    [LoggerMessage(5050, LogLevel.Warning, "Reviews of access cannot be looked at now; it is tried again, and nothing is left out")]
    private static partial void LookFailed(ILogger logger, Exception exception);
}
