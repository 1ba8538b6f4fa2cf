using KeyService.Server.Hosting;
using KeyService.Server.Storage;

namespace KeyService.Server.Alarms;

/// <summary>
/// Looks after open alarms: writes what the store would not take, learns what other servers changed, and, on the one server that has the
/// role, tells again what nobody has acknowledged.
/// </summary>
internal sealed partial class AlarmKeeper(
    AlarmBook book, AlarmOutlet outlet, IStore store, AlarmsConfiguration configuration, TimeProvider time, ILogger<AlarmKeeper> logger)
    : BackgroundService
{
    private const string Role = "alarms";

    /// <summary>The most that one round tells again: the webhook's queue is not larger.</summary>
    private const int MostAtOnce = 100;

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private StoreRole? _role;
    private string? _trouble;

    /// <summary>One round now.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        await book.WriteUnwrittenAsync(cancellationToken);
        book.RepeatUnwritten(configuration.RepeatEvery);
        try
        {
            await book.RefreshAsync(cancellationToken);
            if (await HasRoleAsync(cancellationToken))
            {
                var now = time.GetUtcNow();
                foreach (var alarm in book.View.Open()
                    .Where(alarm => alarm.Acknowledgement is null && alarm.RepeatTime(configuration.RepeatEvery) <= now).Take(MostAtOnce))
                {
                    await book.RepeatAsync(alarm, cancellationToken);
                }
            }

            _trouble = null;
        }
        catch (StoreTamperedException exception)
        {
            Say(exception);
            await outlet.RaiseAsync(AlarmKind.StoreTampered, $"{exception.Table}/{exception.RowId}", exception.Message, cancellationToken);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                try
                {
                    await LookAsync(stoppingToken);
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    // The store's own matter is said by health; a round that fails must not stop the server.
                    Say(exception);
                }

                await Task.Delay(Every, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
        finally
        {
            await GiveRoleBackAsync();
        }
    }

    private async Task<bool> HasRoleAsync(CancellationToken cancellationToken)
    {
        if (_role is { Lost.IsCancellationRequested: true })
        {
            await GiveRoleBackAsync();
        }

        _role ??= await store.TryTakeRoleAsync(Role, cancellationToken);
        return _role is not null;
    }

    private async Task GiveRoleBackAsync()
    {
        if (_role is { } role)
        {
            _role = null;
            await role.DisposeAsync();
        }
    }

    // Once until it changes: a round is every few seconds.
    private void Say(Exception exception)
    {
        if (_trouble != exception.Message)
        {
            _trouble = exception.Message;
            RoundFailed(logger, exception);
        }
    }

    [LoggerMessage(6020, LogLevel.Warning, "Open alarms cannot be read or told again now")]
    private static partial void RoundFailed(ILogger logger, Exception exception);
}
