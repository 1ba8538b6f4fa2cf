using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.BreakGlass;

/// <summary>
/// Writes that a break-glass is over when its time is: it gives nothing from that instant on whoever writes it, and whichever server is first.
/// </summary>
internal sealed partial class BreakGlassKeeper(
    BreakGlassRegister register, IStore store, RowAuthenticator rows, AlarmOutlet alarms, TimeProvider time, ILogger<BreakGlassKeeper> logger) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);
    private readonly BreakGlassTable _table = new(rows);

    /// <summary>One look.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        foreach (var use in register.Open.Where(use => time.GetUtcNow() >= use.EndTime))
        {
            await EndAsync(use.Id, cancellationToken);
        }
    }

    /// <summary>The alarms of a use that is over: open no more, and to be reviewed.</summary>
    public async Task SayEndedAsync(BreakGlassUse use)
    {
        await alarms.ClearAsync(AlarmKind.BreakGlassOpen, use.Principal, CancellationToken.None);
        await alarms.RaiseAsync(
            AlarmKind.BreakGlassReviewDue, use.IdText, $"Break-glass {use.IdText} of {use.Principal} ended {use.EndTime:u} and waits for its review: {use.Reason}",
            CancellationToken.None);
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
                    // The next look tries again.
                    LookFailed(logger, exception);
                }

                await Task.Delay(Every, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task EndAsync(ulong id, CancellationToken cancellationToken)
    {
        BreakGlassUse? after = null;
        var record = new AuditRecordDraft(AuditEvent.BreakGlassEnded) { Automated = true };
        await store.CommitAsync(
            record,
            async transaction =>
            {
                after = await _table.FindAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None);
                if (after is { State: BreakGlassState.Open } && transaction.Time >= after.EndTime)
                {
                    after = after with { State = BreakGlassState.Ended, Revision = after.Revision + 1 };
                    await _table.WriteAsync(transaction, after);
                }

                var now = after;
                record.Detail = now is null ? "" : $"{now.IdText} of {now.Principal}, by its time";
                transaction.OnCommitted(() =>
                {
                    if (now is not null)
                    {
                        register.Apply(now);
                    }
                });
            },
            cancellationToken);
        if (after is { State: BreakGlassState.Ended })
        {
            await SayEndedAsync(after);
        }
    }

    [LoggerMessage(4360, LogLevel.Warning, "The end of a break-glass could not be written")]
    private static partial void LookFailed(ILogger logger, Exception exception);
}
