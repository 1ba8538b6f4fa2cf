using System.Buffers;

namespace KeyService.Protocol.Bulk;

/// <summary>Where the parts of a request stand in its bytes. Fields may come in any order and, as the wire format rules, repeat: the last
/// one counts, contexts merge.</summary>
internal sealed class FieldRequestIndex : IDisposable
{
    /// <summary>One more than allowed is enough to refuse a context; what follows is only checked for its form.</summary>
    private const int EntriesKept = BulkLimits.MaxContextEntries + 1;

    private readonly EntryPlace[] _shared = new EntryPlace[EntriesKept];
    private int _sharedCount;
    private ItemPlace[] _items = [];
    private EntryPlace[] _entries = [];
    private int _entryCount;

    public FieldRequestProblem Problem { get; set; }

    public Range32 Key { get; private set; }

    public int ItemCount { get; private set; }

    public ReadOnlySpan<EntryPlace> SharedEntries => _shared.AsSpan(0, _sharedCount);

    public ItemPlace Item(int item) => _items.AsSpan(0, ItemCount)[item];

    public ReadOnlySpan<EntryPlace> EntriesOf(int item)
    {
        var place = Item(item);
        return _entries.AsSpan(place.FirstEntry, place.EntryCount);
    }

    public void Read(FieldNumbers numbers, ReadOnlySpan<byte> message)
    {
        uint keyTag = FieldNumbers.Tag(numbers.Key), contextTag = FieldNumbers.Tag(numbers.Context);
        uint itemTag = FieldNumbers.Tag(numbers.Item), dataTag = FieldNumbers.Tag(numbers.Data);
        var reader = new WireReader(message, 0, message.Length);
        var wellFormed = true;
        var single = default(Range32);
        while (reader.ReadTag() is var tag and not 0)
        {
            if (tag == itemTag)
            {
                wellFormed &= ReadItem(message, reader.ReadDelimited());
            }
            else if (tag == contextTag)
            {
                wellFormed &= ReadContext(message, reader.ReadDelimited(), _shared, ref _sharedCount);
            }
            else if (tag == dataTag)
            {
                single = reader.ReadDelimited();
            }
            else if (tag == keyTag)
            {
                Key = reader.ReadDelimited();
            }
            else
            {
                reader.Skip(tag);
            }
        }

        if (numbers.Item == 0)
        {
            Add(new ItemPlace(single, 0, 0));
        }

        if (reader.Failed || !wellFormed)
        {
            Problem = FieldRequestProblem.Malformed;
        }
        else if (ItemCount > BulkLimits.MaxItems)
        {
            Problem = FieldRequestProblem.TooManyItems;
        }
    }

    public void Dispose()
    {
        // Offsets only: nothing to zero.
        Return(ref _items);
        Return(ref _entries);
    }

    private bool ReadItem(ReadOnlySpan<byte> message, Range32 place)
    {
        if (ItemCount >= BulkLimits.MaxItems)
        {
            ItemCount = BulkLimits.MaxItems + 1;
            return true;
        }

        EnsureRoom(ref _entries, _entryCount, EntriesKept);
        var entries = _entries.AsSpan(_entryCount, EntriesKept);
        var entryCount = 0;
        var data = default(Range32);
        var wellFormed = true;
        var reader = new WireReader(message, place.Start, place.End);
        while (reader.ReadTag() is var tag and not 0)
        {
            if (tag == FieldNumbers.Tag(FieldNumbers.ItemData))
            {
                data = reader.ReadDelimited();
            }
            else if (tag == FieldNumbers.Tag(FieldNumbers.ItemContext))
            {
                wellFormed &= ReadContext(message, reader.ReadDelimited(), entries, ref entryCount);
            }
            else
            {
                reader.Skip(tag);
            }
        }

        Add(new ItemPlace(data, _entryCount, entryCount));
        _entryCount += entryCount;
        return wellFormed && !reader.Failed;
    }

    private static bool ReadContext(ReadOnlySpan<byte> message, Range32 place, Span<EntryPlace> entries, ref int count)
    {
        var wellFormed = true;
        var reader = new WireReader(message, place.Start, place.End);
        while (reader.ReadTag() is var tag and not 0)
        {
            if (tag != FieldNumbers.Tag(FieldNumbers.Entries))
            {
                reader.Skip(tag);
                continue;
            }

            wellFormed &= TryReadEntry(message, reader.ReadDelimited(), out var entry);
            if (count < entries.Length)
            {
                entries[count++] = entry;
            }
        }

        return wellFormed && !reader.Failed;
    }

    private static bool TryReadEntry(ReadOnlySpan<byte> message, Range32 place, out EntryPlace entry)
    {
        var key = default(Range32);
        var value = default(Range32);
        var reader = new WireReader(message, place.Start, place.End);
        while (reader.ReadTag() is var tag and not 0)
        {
            if (tag == FieldNumbers.Tag(FieldNumbers.EntryKey))
            {
                key = reader.ReadDelimited();
            }
            else if (tag == FieldNumbers.Tag(FieldNumbers.EntryValue))
            {
                value = reader.ReadDelimited();
            }
            else
            {
                reader.Skip(tag);
            }
        }

        entry = new EntryPlace(key, value);
        return !reader.Failed;
    }

    private void Add(ItemPlace item)
    {
        EnsureRoom(ref _items, ItemCount, 1);
        _items[ItemCount++] = item;
    }

    private static void EnsureRoom<T>(ref T[] array, int count, int more)
    {
        if (array.Length - count >= more)
        {
            return;
        }

        var larger = ArrayPool<T>.Shared.Rent(Math.Max(256, (count + more) * 2));
        array.AsSpan(0, count).CopyTo(larger);
        Return(ref array);
        array = larger;
    }

    private static void Return<T>(ref T[] array)
    {
        var old = Interlocked.Exchange(ref array, []);
        if (old.Length > 0)
        {
            ArrayPool<T>.Shared.Return(old);
        }
    }
}

internal readonly record struct ItemPlace(Range32 Data, int FirstEntry, int EntryCount);
