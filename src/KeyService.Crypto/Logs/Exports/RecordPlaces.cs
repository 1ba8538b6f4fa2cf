using System.Globalization;

namespace KeyService.Crypto.Logs;

/// <summary>What an entry says of its own place, where it says something.</summary>
internal interface IEntryPlaces
{
    /// <summary>Null when the bytes are not those of an entry; else its number, and in <paramref name="elsewhere"/> what other log it names.</summary>
    long? PlaceOf(ReadOnlySpan<byte> entry, long place, out string? elsewhere);
}

/// <summary>Records name their slot and sequence.</summary>
internal sealed class RecordPlaces(uint slot) : IEntryPlaces
{
    public long? PlaceOf(ReadOnlySpan<byte> entry, long place, out string? elsewhere)
    {
        elsewhere = null;
        if (!AuditRecord.TryParse(entry, out AuditRecord? record) || record!.Sequence > long.MaxValue)
        {
            return null;
        }
        elsewhere = record.Slot == slot ? null : string.Create(CultureInfo.InvariantCulture, $"slot {record.Slot}");
        return (long)record.Sequence;
    }
}

/// <summary>Entries of the directory stand where they stand.</summary>
internal sealed class DirectoryPlaces(Action<long, DirectoryEntry> each) : IEntryPlaces
{
    public long? PlaceOf(ReadOnlySpan<byte> entry, long place, out string? elsewhere)
    {
        elsewhere = null;
        if (!DirectoryEntry.TryParse(entry, out DirectoryEntry? parsed))
        {
            return null;
        }
        each(place, parsed!);
        return place;
    }
}
