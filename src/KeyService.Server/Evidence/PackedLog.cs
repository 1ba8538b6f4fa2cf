using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Evidence;

/// <summary>From where to where the log in a pack reaches, found by going through the directory log.</summary>
/// <param name="from">First instant of the pack's range.</param>
internal sealed class PackedLog(DateTimeOffset from)
{
    private readonly long _from = Storage.UnixTime.Nanoseconds(from);
    private readonly SortedDictionary<uint, SlotReach> _slots = [];

    /// <summary>When the last entry was made, Unix nanoseconds; 0 while there was none.</summary>
    public long LastTime { get; private set; }

    /// <summary>The directory's next entry.</summary>
    public void Take(DirectoryEntry entry)
    {
        LastTime = entry.TimeUnixNanoseconds;
        if (!entry.IsOfKey)
        {
            // What was signed before the range is not asked for, as far as whole bundles go.
            var start = entry.TimeUnixNanoseconds < _from ? entry.Size / LogTiles.Width * LogTiles.Width : _slots.GetValueOrDefault(entry.Slot).Start;
            _slots[entry.Slot] = new SlotReach(entry.Slot, start, entry.Size);
        }
    }

    /// <summary>What is there of it, and a sentence for each slot of which months are not.</summary>
    /// <param name="deleted">Archives whose records were deleted, oldest month first.</param>
    /// <exception cref="Refusal">NOT_FOUND: what is left of a slot is less than a bundle, and cannot be exported.</exception>
    public (LogReach Reach, IReadOnlyList<string> Gaps) Without(IReadOnlyList<AuditArchive> deleted)
    {
        var gaps = new List<string>();
        var slots = _slots.Values.Where(slot => slot.Size > 0).Select(slot => Behind(slot, [.. deleted.Where(archive => archive.Slot == slot.Slot && archive.Past > slot.Start)], gaps));
        return (new LogReach(slots), gaps);
    }

    // What was deleted cannot be in it, and neither can what is left of the bundle that it ends in.
    private static SlotReach Behind(SlotReach slot, List<AuditArchive> missing, List<string> gaps)
    {
        if (missing.Count == 0)
        {
            return slot;
        }

        gaps.Add($"MONTHS DELETED: of slot {slot.Slot} the records of {string.Join(", ", missing.Select(archive => archive.Month))} are not in it, for they were deleted after their years of retention; audit/archives.json says where their archives lie.");
        var start = (missing[^1].Past + LogTiles.Width - 1) / LogTiles.Width * LogTiles.Width;
        return start <= slot.Size
            ? slot with { Start = start }
            : throw new Refusal(Reason.NotFound, $"What is left of slot {slot.Slot} behind the months that were deleted cannot be exported. Make the pack without the log.");
    }
}
