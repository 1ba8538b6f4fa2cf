using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>Makes the scrub once a day on one server of the installation, and whenever somebody asks; tells what it found.</summary>
internal sealed class ScrubWorker(Scrub scrub, IStore store, StoreTrust trust, AlarmOutlet alarms, TimeProvider time, ILogger<ScrubWorker> logger)
    : BackgroundService
{
    /// <summary>Between two scrubs.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromHours(24);

    /// <summary>The first one after a start; short, so that a server that is restarted every day makes one.</summary>
    private static readonly TimeSpan AfterStart = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan Retry = TimeSpan.FromMinutes(10);
    private const string Role = "scrub";
    private const int MaxAlarms = 20;
    private const string Log = "log";

    private readonly SemaphoreSlim _turn = new(1);
    private readonly HashSet<string> _raised = new(StringComparer.Ordinal);

    public override void Dispose()
    {
        _turn.Dispose();
        base.Dispose();
    }

    /// <summary>One scrub now, with its alarms and its record. One at a time.</summary>
    public async Task<ScrubReport> RunAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var report = await scrub.RunAsync(keep: true, cancellationToken);
            trust.Scrubbed(report, time.GetUtcNow());
            if (report.IsClean)
            {
                TrustLog.Scrubbed(logger, report.Summary, report.Duration.TotalSeconds);
            }
            else
            {
                TrustLog.ScrubFound(logger, report.Summary, report.Duration.TotalSeconds);
            }

            await RecordAsync(report);
            await TellAsync(report);
            return report;
        }
        finally
        {
            _turn.Release();
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await Task.Delay(AfterStart, time, stoppingToken);
            while (true)
            {
                await Task.Delay(await TryRunAsync(stoppingToken) ? Every : Retry, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    // True also when another server makes it: that one has the day's.
    private async Task<bool> TryRunAsync(CancellationToken stoppingToken)
    {
        try
        {
            await using var role = await store.TryTakeRoleAsync(Role, stoppingToken);
            if (role is null)
            {
                return true;
            }

            using var end = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, role.Lost);
            await RunAsync(end.Token);
            return true;
        }
        catch (Exception e) when (!stoppingToken.IsCancellationRequested)
        {
            TrustLog.ScrubFailed(logger, e);
            return false;
        }
    }

    private Task<CommitReceipt> RecordAsync(ScrubReport report) => store.CommitAsync(
        new AuditRecordDraft(AuditEvent.StoreScrubbed)
        {
            Automated = true,
            Outcome = report.IsClean ? AuditOutcome.Success : AuditOutcome.Failed,
            ItemCount = report.Rows,
            Duration = report.Duration,
            Detail = string.Join(
                "; ",
                [report.Summary, .. report.Findings.Select(found => $"{found.Table} {found.RowId}: {found.Finding}"),
                    .. report.Logs.SelectMany(log => log.Findings.Select(found => $"log {log.Slot}/{found.Sequence}: {found.Finding}"))]),
        },
        null, CancellationToken.None);

    private async Task TellAsync(ScrubReport report)
    {
        var subjects = new HashSet<string>(StringComparer.Ordinal);
        foreach (var found in report.Findings.Take(MaxAlarms))
        {
            await RaiseAsync($"{found.Table}/{found.RowId}", $"Table {found.Table}, row {found.RowId}: {found.Finding}.");
        }

        foreach (var log in report.Logs.Where(log => log.Findings.Count > 0))
        {
            await RaiseAsync($"{Log}/{log.Slot}", $"Log slot {log.Slot}, record {log.Findings[0].Sequence}: {log.Findings[0].Finding}.");
        }

        foreach (var over in _raised.Except(subjects).ToList())
        {
            _raised.Remove(over);
            await alarms.ClearAsync(AlarmKind.StoreTampered, over, CancellationToken.None);
        }

        async Task RaiseAsync(string subject, string finding)
        {
            // An alarm's subject has 256 characters at most.
            subject = subject.Length <= 256 ? subject : subject[..256];
            subjects.Add(subject);
            _raised.Add(subject);
            await alarms.RaiseAsync(
                AlarmKind.StoreTampered, subject, $"{finding} {report.Summary}. Find out who changed the database; the audit log has what it should hold.",
                CancellationToken.None);
        }
    }
}
