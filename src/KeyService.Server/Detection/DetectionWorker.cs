using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Detection;

/// <summary>Looks through the log on the one server that has the role, and sees to the alarms of what was found. Calls never wait for it.</summary>
internal sealed partial class DetectionWorker(
    DetectionFollower follower, FindingAlarms judge, IStore store, AlarmOutlet alarms, TimeProvider time, ILogger<DetectionWorker> logger)
    : BackgroundService
{
    private const string Role = "detection";

    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan JudgeEvery = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    private string? _trouble;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => RoleHolder.RunAsync(store, Role, Retry, time, FollowAsync, Say, stoppingToken);

    private async Task FollowAsync(CancellationToken held)
    {
        var judgedAt = DateTimeOffset.MinValue;
        while (!held.IsCancellationRequested)
        {
            try
            {
                var more = await follower.StepAsync(held);
                if (!more && time.GetUtcNow() - judgedAt >= JudgeEvery && follower.BeganAt is { } beganAt)
                {
                    await judge.LookAsync(beganAt, held);
                    judgedAt = time.GetUtcNow();
                }

                _trouble = null;
                if (!more)
                {
                    await Task.Delay(Look, time, held);
                }
            }
            catch (OperationCanceledException) when (held.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                Say(e);
                if (e is StoreTamperedException tampered)
                {
                    await alarms.RaiseAsync(AlarmKind.StoreTampered, $"{tampered.Table}/{tampered.RowId}", tampered.Message, held);
                }

                await Task.Delay(Retry, time, held).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        try
        {
            await follower.FinishAsync();
        }
        catch (Exception e)
        {
            // The next server looks at these records again, and finds the same.
            Say(e);
        }
    }

    // Once until it changes: a look is every second.
    private void Say(Exception exception)
    {
        if (_trouble != exception.Message)
        {
            _trouble = exception.Message;
            LookFailed(logger, exception);
        }
    }

    [LoggerMessage(5040, LogLevel.Warning, "The audit log cannot be looked through now; it is tried again, and nothing is left out")]
    private static partial void LookFailed(ILogger logger, Exception exception);
}
