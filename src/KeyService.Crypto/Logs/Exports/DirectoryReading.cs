using System.Globalization;

namespace KeyService.Crypto.Logs;

/// <summary>Reads the directory log of an export, and knows then what it says of each slot.</summary>
internal sealed class DirectoryReading(ExportContents contents, Checkpoint checkpoint, IReadOnlyList<HeldCheckpoint> held)
{
    private readonly SortedDictionary<uint, List<LogMark>> _slots = [];
    private readonly Dictionary<uint, long> _heldSizes = [];
    private readonly List<(long Place, DirectoryEntry Entry)> _keys = [];
    private readonly MerkleTree _tree = new();

    /// <summary>Whether every entry is the one that was signed.</summary>
    public bool Whole { get; private set; }

    /// <summary>Entries up to the last checkpoint held elsewhere.</summary>
    public long HeldSize { get; } = held.Where(each => each.Vouches && each.Checkpoint.Size <= checkpoint.Size).Select(each => each.Checkpoint.Size).DefaultIfEmpty().Max();

    /// <summary>Slots with entries, ascending.</summary>
    public IReadOnlyList<uint> Slots => [.. _slots.Keys];

    /// <summary>Entries that say who signs, in order.</summary>
    public IReadOnlyList<DirectoryEntry> Keys => [.. _keys.Select(each => each.Entry)];

    public void Read()
    {
        LogMark[] expected =
        [
            .. held.Select(each => new LogMark(each.Checkpoint.Size, each.Checkpoint.Root, each.What)),
            new LogMark(checkpoint.Size, checkpoint.Root, "the signed checkpoint"),
        ];
        Whole = new LogReading(
            contents, ExportFiles.Directory, new MerkleFrontier(), checkpoint, expected, new DirectoryPlaces(Take), null).Read();
    }

    /// <summary>What the directory says of a slot, in its order.</summary>
    public IReadOnlyList<LogMark> MarksOf(uint slot) => _slots[slot];

    /// <summary>Records of a slot that the last checkpoint held elsewhere covers.</summary>
    public long HeldSizeOf(uint slot) => _heldSizes.GetValueOrDefault(slot);

    /// <summary>Where an entry of a key stands.</summary>
    public long PlaceOf(DirectoryEntry key) => _keys.First(each => ReferenceEquals(each.Entry, key)).Place;

    /// <summary>Demands that another checkpoint of the directory tells the same history, and covers an entry.</summary>
    public void Compare(string path, Checkpoint other, long place)
    {
        if (other.Size <= place || other.Size > _tree.Size || !_tree.Root(other.Size).AsSpan().SequenceEqual(other.Root))
        {
            contents.Add(ExportFault.Forked, path, place, "the checkpoint does not cover the directory's entry of the key, or tells another history");
        }
    }

    private void Take(long place, DirectoryEntry entry)
    {
        _tree.Append(MerkleHash.Leaf(entry.Encode()));
        if (entry.IsOfKey)
        {
            _keys.Add((place, entry));
            return;
        }
        if (!_slots.TryGetValue(entry.Slot, out List<LogMark>? marks))
        {
            _slots.Add(entry.Slot, marks = []);
        }
        if (marks.Count > 0 && entry.Size < marks[^1].Size)
        {
            contents.Add(
                ExportFault.Forked, ExportFiles.Directory, place, Invariant($"entry {place} says that slot {entry.Slot} has {entry.Size} records, and one before it said {marks[^1].Size}"));
        }
        marks.Add(new LogMark(entry.Size, entry.Value.ToArray(), Invariant($"entry {place} of the directory")));
        if (place < HeldSize)
        {
            _heldSizes[entry.Slot] = entry.Size;
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
