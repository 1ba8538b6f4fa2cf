using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Evidence;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Tests.Evidence;

public sealed class PackedLogTests
{
    private static readonly DateTimeOffset From = new(2026, 10, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_log_begins_with_the_bundle_that_has_the_ranges_first_record()
    {
        var log = Of((0, -2, 100), (0, -1, 700), (1, -1, 5), (0, 1, 900), (1, 1, 6), (2, 2, 10), (3, 2, 0));
        Assert.Equal([new SlotReach(0, 512, 900), new SlotReach(1, 0, 6), new SlotReach(2, 0, 10)], log.Without([]).Reach.Slots);
        Assert.Equal(From.AddDays(2), UnixTime.FromNanoseconds(log.LastTime));
        // A server that ended before the range has nothing to show, but what is left of its last bundle.
        Assert.Equal([new SlotReach(0, 512, 700)], Of((0, -1, 700)).Without([]).Reach.Slots);
    }

    [Fact]
    public void Months_that_were_deleted_are_named_and_the_log_begins_behind_them()
    {
        var log = Of((0, 1, 900), (1, 1, 40));
        var (reach, gaps) = log.Without([Deleted("2026-08", 0, 200), Deleted("2026-09", 0, 300)]);
        Assert.Equal([new SlotReach(0, 512, 900), new SlotReach(1, 0, 40)], reach.Slots);
        Assert.StartsWith("MONTHS DELETED: of slot 0 the records of 2026-08, 2026-09 are not in it", Assert.Single(gaps), StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_deleted_of_before_the_range_is_not_missed()
    {
        var (reach, gaps) = Of((0, -1, 700), (0, 1, 900)).Without([Deleted("2026-08", 0, 512)]);
        Assert.Equal([new SlotReach(0, 512, 900)], reach.Slots);
        Assert.Empty(gaps);
    }

    [Fact]
    public void A_log_of_which_less_than_a_bundle_is_left_is_not_packed()
    {
        Assert.Equal([new SlotReach(0, 512, 512)], Of((0, 1, 512)).Without([Deleted("2026-09", 0, 512)]).Reach.Slots);
        Assert.Equal(Reason.NotFound, Assert.Throws<Refusal>(() => Of((0, 1, 500)).Without([Deleted("2026-09", 0, 400)])).Reason);
    }

    private static PackedLog Of(params (uint Slot, int Day, long Size)[] entries)
    {
        var log = new PackedLog(From);
        foreach (var (slot, day, size) in entries)
        {
            log.Take(DirectoryEntry.Of(DirectoryEntryKind.Checkpoint, UnixTime.Nanoseconds(From.AddDays(day)), slot, size, new byte[MerkleHash.Length]));
        }

        return log;
    }

    private static AuditArchive Deleted(string month, int slot, int past)
    {
        var frontier = new MerkleFrontier();
        for (var i = 0; i < past; i++)
        {
            frontier.Append(new byte[MerkleHash.Length]);
        }

        Assert.True(AuditMonth.TryParse(month, out var parsed));
        return new AuditArchive(parsed, slot, 0, frontier, new ArchiveFile(1, "safe", 1, new byte[32]), From, "archivist", From, "officer", 1);
    }
}
