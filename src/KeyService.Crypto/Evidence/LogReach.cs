using System.Globalization;
using System.Text;
using KeyService.Crypto.Logs;

namespace KeyService.Crypto.Evidence;

/// <summary>How far the log of a slot stands in an evidence pack.</summary>
/// <param name="Slot">Number of the slot.</param>
/// <param name="Start">First record that is there, a multiple of 256, at most <paramref name="Size"/>.</param>
/// <param name="Size">Records of the log, 1 or more, up to the pack's checkpoint.</param>
public readonly record struct SlotReach(uint Slot, long Start, long Size);

/// <summary>
/// How far the log in an evidence pack reaches: a file of the manifest, so that nobody hands out a log that begins later. docs/spec/evidence-pack.md. There is
/// one text for one reach.
/// <code>
/// slot,start,size
/// 0,512,1837
/// </code>
/// </summary>
public sealed class LogReach
{
    /// <summary>Its name in the pack.</summary>
    public const string FileName = "audit/reach.csv";

    /// <summary>Slots of a pack.</summary>
    public const int MaxSlots = 10_000;

    /// <summary>Bytes of the text.</summary>
    public const int MaxLength = 64 * MaxSlots;

    private const string Header = "slot,start,size";

    /// <param name="slots">Each with records, once.</param>
    /// <exception cref="ArgumentException">Something is not of this form.</exception>
    public LogReach(IEnumerable<SlotReach> slots)
    {
        Slots = [.. slots.OrderBy(slot => slot.Slot)];
        if (Slots.Count > MaxSlots || Slots.Any(slot => slot.Start < 0 || slot.Start % LogTiles.Width != 0 || slot.Size < Math.Max(slot.Start, 1))
            || Slots.DistinctBy(slot => slot.Slot).Count() != Slots.Count)
        {
            throw new ArgumentException($"A log begins at a multiple of {LogTiles.Width} and not behind its end.", nameof(slots));
        }
    }

    /// <summary>Ascending.</summary>
    public IReadOnlyList<SlotReach> Slots { get; }

    /// <summary>False for every text but one that <see cref="ToString"/> gives.</summary>
    public static bool TryParse(string text, out LogReach? reach)
    {
        reach = null;
        string[] lines = text.Split('\n');
        if (text.Length > MaxLength || lines.Length < 2 || lines[0] != Header || lines[^1].Length > 0)
        {
            return false;
        }
        var slots = new List<SlotReach>();
        foreach (string line in lines[1..^1])
        {
            if (line.Split(',') is not [var slot, var start, var size]
                || !uint.TryParse(slot, NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
                || !long.TryParse(start, NumberStyles.None, CultureInfo.InvariantCulture, out long first)
                || !long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long past))
            {
                return false;
            }
            slots.Add(new SlotReach(number, first, past));
        }
        try
        {
            reach = new LogReach(slots);
        }
        catch (ArgumentException)
        {
            return false;
        }
        // Order and leading zeros: whatever is written otherwise is another text.
        if (reach.ToString() == text)
        {
            return true;
        }
        reach = null;
        return false;
    }

    /// <summary>The file's text; it ends with a line feed.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(Header).Append('\n');
        foreach (SlotReach slot in Slots)
        {
            text.Append(CultureInfo.InvariantCulture, $"{slot.Slot},{slot.Start},{slot.Size}\n");
        }
        return text.ToString();
    }
}
