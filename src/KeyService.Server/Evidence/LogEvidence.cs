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
        var from = UnixTime.Nanoseconds(range.From);
        var slots = new SortedDictionary<uint, SlotReach>();
        long last = 0;
        await foreach (var page in directory.PagesAsync(0, size, cancellationToken))
        {
            foreach (var bytes in page)
            {
                if (DirectoryEntry.TryParse(bytes, out var entry) && entry!.Kind != DirectoryEntryKind.Key)
                {
                    // What was signed before the range is not asked for, as far as whole bundles go.
                    var start = entry.TimeUnixNanoseconds < from ? entry.Size / LogTiles.Width * LogTiles.Width : slots.GetValueOrDefault(entry.Slot).Start;
                    slots[entry.Slot] = new SlotReach(entry.Slot, start, entry.Size);
                    last = entry.TimeUnixNanoseconds;
                }
            }
        }

        var deleted = (await retention.ListAsync(cancellationToken)).Where(archive => archive.DeleteTime is not null).ToList();
        var gaps = new List<string>();
        var reach = new LogReach(slots.Values.Where(slot => slot.Size > 0).Select(slot => Behind(slot, [.. deleted.Where(archive => archive.Slot == slot.Slot)], gaps)));
        var records = reach.Slots.Sum(slot => slot.Size - slot.Start);
        return new EvidenceItem(
            LogReach.FileName, "The audit log with its proofs", Paragraph,
            string.Create(CultureInfo.InvariantCulture, $"The folder log/ is an export of the log: {records} records of {reach.Slots.Count} {(reach.Slots.Count == 1 ? "slot" : "slots")}, from those of {range.From:u} on (bundles of {LogTiles.Width} begin earlier) to the checkpoint, which was signed at {UnixTime.FromNanoseconds(last):u}; this file says from which record on. ")
            + "keyservice evidence verify proves them all; unpacked, so does keyservice audit verify log --checkpoint audit/checkpoint."
            + string.Concat(gaps),
            records, Encoding.UTF8.GetBytes(reach.ToString()));
    }

    // What was deleted cannot be in it, and neither can what is left of the bundle that it ends in.
    private static SlotReach Behind(SlotReach slot, List<AuditArchive> deleted, List<string> gaps)
    {
        if (deleted is not [.., var newest] || newest.Past <= slot.Start)
        {
            return slot;
        }

        var missing = deleted.Where(archive => archive.Past > slot.Start).Select(archive => archive.Month.ToString()).ToList();
        gaps.Add($" MONTHS DELETED: of slot {slot.Slot} the records of {string.Join(", ", missing)} are not in it, for they were deleted after their years of retention; audit/archives.json says where their archives lie.");
        var start = (newest.Past + LogTiles.Width - 1) / LogTiles.Width * LogTiles.Width;
        return start <= slot.Size
            ? slot with { Start = start }
            : throw new Refusal(Reason.NotFound, $"What is left of slot {slot.Slot} behind the months that were deleted cannot be exported. Make the pack without the log.");
    }
}
