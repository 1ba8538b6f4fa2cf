using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Pipeline;

/// <summary>
/// Finds, at a start, the streams whose opening record stands and whose closing one does not: the server before died in
/// between. Each becomes an event. Only what was recorded since the start before is looked at, and after an orderly stop
/// nothing at all.
/// </summary>
internal static class LostStreams
{
    private const string OpenedPrefix = "opened=";

    private static readonly HashSet<AuditEvent> Openings =
        [AuditEvent.EncryptStreamOpened, AuditEvent.DecryptStreamOpened, AuditEvent.AuditTailOpened, AuditEvent.LeaseWatchOpened,
            AuditEvent.AlarmWatchOpened, AuditEvent.EvidenceExportOpened];

    /// <summary>The detail of a closing record: which opening record it ends.</summary>
    public static string NameOpening(CommitReceipt opened) => $"{OpenedPrefix}{opened.Slot}/{opened.Sequence}";

    /// <summary>Records an event for each; gives their number.</summary>
    public static async Task<int> RecordAsync(IStore store, CancellationToken cancellation)
    {
        var log = new AuditLog(store).Pin();
        var named = new HashSet<string>(StringComparer.Ordinal);
        var lost = new List<(long Sequence, AuditRecord Record)>();
        for (var last = log.LastSequence; last >= 0; last -= AuditLog.PageSize)
        {
            var page = await log.ReadAsync(Math.Max(0, last - AuditLog.PageSize + 1), last, cancellation);
            page.Reverse();
            if (!LookAt(page, log.Slot, named, lost))
                break;
        }
        foreach (var (sequence, record) in lost)
            await store.CommitAsync(EventOf(log.Slot, sequence, record), change: null, CancellationToken.None);
        return lost.Count;
    }

    // Newest first, so that a closing record is seen before the opening one that it names. False: no need to look further back.
    private static bool LookAt(List<AuditLogEntry> page, int slot, HashSet<string> named, List<(long Sequence, AuditRecord Record)> lost)
    {
        foreach (var entry in page)
        {
            // A record of a newer version is none of ours; the verifier judges it, not the start.
            if (!AuditRecord.TryParse(entry.Record, out var record) || record is null)
                continue;
            var auditEvent = (AuditEvent)record.EventId;
            if (auditEvent is AuditEvent.ServiceStarted or AuditEvent.ServiceStopped or AuditEvent.InstallationCreated or AuditEvent.InstallationRestored)
                return false;
            if (record.Detail?.StartsWith(OpenedPrefix, StringComparison.Ordinal) == true)
                named.Add(record.Detail);
            else if (Openings.Contains(auditEvent) && !named.Contains(NameOpening(new CommitReceipt(slot, entry.Sequence, default))))
                lost.Add((entry.Sequence, record));
        }
        return true;
    }

    private static AuditRecordDraft EventOf(int slot, long sequence, AuditRecord opened) => new(AuditEvent.StreamEndMissing)
    {
        Outcome = AuditOutcome.Failed,
        Principal = opened.Principal ?? "",
        Key = opened.Key ?? "",
        TraceId = opened.TraceId ?? "",
        Automated = true,
        Detail = $"the server ended before the stream opened in {slot}/{sequence} did",
    };
}
