using System.Globalization;
using System.Text;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Export;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Evidence;

/// <summary>The signed state of the audit log, and how far the log reaches that whoever makes the pack puts beside it.</summary>
internal sealed class LogEvidence(IStore store, AuditRetention retention, Checkpoints checkpoints)
{
    private const string CheckpointName = "audit/checkpoint";
    private const string Paragraph = "164.312(b)";

    /// <param name="withLog">The pack is to have the log in it.</param>
    /// <exception cref="Refusal">NOT_FOUND: no checkpoint was signed yet, or what is left of a slot cannot be taken out.</exception>
    /// <exception cref="StoreTamperedException">The directory log was changed outside the service.</exception>
    public async Task<IReadOnlyList<EvidenceItem>> CollectAsync(EvidenceRange range, bool withLog, CancellationToken cancellationToken)
    {
        var directory = new LogExport(store, SignedLog.Directory);
        var newest = await directory.CheckpointAsync(0, long.MaxValue, cancellationToken);
        if (newest is null && withLog)
        {
            throw new Refusal(Reason.NotFound, "No checkpoint of the audit log was signed yet. One is within a minute; make the pack then.");
        }

        var vkey = (await checkpoints.VerifiersAsync(cancellationToken)).Keys[^1];
        var checkpoint = new EvidenceItem(
            CheckpointName, "Checkpoint of the audit log", Paragraph,
            $"The signed state of the log when this was made; its key is {vkey}. {(withLog ? "It binds the log in log/" : "With an export of the log (keyservice audit export) it proves")}: each record up to here, and that none was left out.",
            newest is null ? 0 : 1, newest is { } made ? made.Note : "no checkpoint was signed yet\n"u8.ToArray());
        return withLog ? [checkpoint, await ReachAsync(directory, newest!.Value.Size, range, cancellationToken)] : [checkpoint];
    }

    private async Task<EvidenceItem> ReachAsync(LogExport directory, long size, EvidenceRange range, CancellationToken cancellationToken)
    {
        var log = new PackedLog(range.From);
        await foreach (var page in directory.PagesAsync(0, size, cancellationToken))
        {
            foreach (var bytes in page)
            {
                log.Take(DirectoryEntry.TryParse(bytes, out var entry) ? entry! : throw new StoreTamperedException("audit_directory", "*", "an entry is none"));
            }
        }

        var (reach, gaps) = log.Without([.. (await retention.ListAsync(cancellationToken)).Where(archive => archive.DeleteTime is not null)]);
        var records = reach.Slots.Sum(slot => slot.Size - slot.Start);
        return new EvidenceItem(
            LogReach.FileName, "The audit log with its proofs", Paragraph,
            string.Create(CultureInfo.InvariantCulture, $"The folder log/ is an export of the log: {records} records of {reach.Slots.Count} {(reach.Slots.Count == 1 ? "server" : "servers")}, from those of {range.From:u} on (bundles of {LogTiles.Width} begin earlier) to the checkpoint, which was signed at {UnixTime.FromNanoseconds(log.LastTime):u}; this file says from which record on. ")
            + "keyservice evidence verify proves them all; unpacked, so does keyservice audit verify log --checkpoint audit/checkpoint."
            + string.Concat(gaps.Select(gap => $" {gap}")),
            records, Encoding.UTF8.GetBytes(reach.ToString()));
    }
}
