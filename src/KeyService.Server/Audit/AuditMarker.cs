using KeyService.Crypto.Logs;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>
/// Keeps the mark near the end of the log: at start (after checking that the log still reaches the last one), every <see cref="Interval"/>
/// records, and when the service stops. A mark that cannot be written now is written later; calls do not wait for it.
/// </summary>
internal sealed partial class AuditMarker(
    AuditLog current, IStore store, RowAuthenticator rows, TimeProvider time, ILogger<AuditMarker> logger) : BackgroundService
{
    /// <summary>Records between marks.</summary>
    public const long Interval = 65_536;

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    private AuditMark? _mark;

    /// <exception cref="StoreTamperedException">The log is shorter than it was marked, or the mark itself was changed: the service does not
    /// start.</exception>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await MarkAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await TryMarkAsync(cancellationToken);
    }

    /// <summary>Marks everything that is durable now. The record of the mark itself comes after what it covers.</summary>
    public async Task MarkAsync(CancellationToken cancellationToken)
    {
        var log = current.Pin();
        var mark = _mark?.Slot == log.Slot ? _mark : await ReadOrCreateAsync(log.Slot, cancellationToken);
        _mark = mark;
        var last = log.LastSequence;
        if (last + 1 < mark.Frontier.Size)
        {
            throw new StoreTamperedException(
                "audit_records", $"{log.Slot}/{last + 1}", $"the log ends before record {mark.Frontier.Size - 1}, which stood on {mark.Time:u}: it was cut");
        }

        // Of the last mark only its own record, or nothing, came since: marking that would go on for ever.
        if (last + 1 - mark.Frontier.Size <= 1)
        {
            return;
        }

        var frontier = await log.ExtendAsync(mark.Frontier, last, cancellationToken);
        AuditMark? next = null;
        await store.CommitAsync(
            Record(frontier), async transaction => next = await mark.AdvanceAsync(transaction, rows, frontier), CancellationToken.None);
        _mark = next;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await current.WaitForMoreAsync((_mark?.Frontier.Size ?? 0) + Interval, stoppingToken);
                if (!await TryMarkAsync(stoppingToken))
                {
                    await Task.Delay(Retry, time, stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (StoreUnavailableException)
            {
                // Another slot is written now: its mark is read, or made, and the wait begins anew.
                await TryMarkAsync(stoppingToken);
            }
        }
    }

    private async Task<bool> TryMarkAsync(CancellationToken cancellationToken)
    {
        try
        {
            await MarkAsync(cancellationToken);
            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            MarkFailed(logger, e);
            return false;
        }
    }

    // A slot that was leased for the first time has no mark yet.
    private async Task<AuditMark> ReadOrCreateAsync(int slot, CancellationToken cancellationToken)
    {
        if (await store.ReadAsync(connection => AuditMark.ReadAsync(connection, rows, slot, cancellationToken), cancellationToken) is { } standing)
        {
            return standing;
        }

        AuditMark? made = null;
        await store.CommitAsync(
            Record(new MerkleFrontier()), async transaction => made = await AuditMark.CreateAsync(transaction, rows), CancellationToken.None);
        return made!;
    }

    private static AuditRecordDraft Record(MerkleFrontier frontier) => new(AuditEvent.AuditLogMarked)
    {
        Automated = true,
        ItemCount = frontier.Size,
        Detail = $"size {frontier.Size}, root {Convert.ToHexStringLower(frontier.Root())}",
    };

    [LoggerMessage(5000, LogLevel.Warning, "The audit log could not be marked; it is tried again")]
    private static partial void MarkFailed(ILogger logger, Exception exception);
}
