namespace KeyService.Crypto;

/// <summary>
/// The process's memory for secrets: regions of 256 KiB, locked and left out of core dumps, cut into cells of 64 bytes. One small arena
/// because RLIMIT_MEMLOCK is 8 MiB by default and often less in a container.
/// </summary>
public static class SecretArena
{
    internal const int CellLength = 64;
    internal const int MaxLength = 64 * 1024;

    private static readonly Lock Gate = new();
    private static readonly List<SecretRegion> Regions = [new SecretRegion()];

    /// <summary>
    /// True if every region so far is locked in memory. False where the system refused (RLIMIT_MEMLOCK) or cannot: secrets then stay out
    /// of core dumps where possible, but may be swapped. The production profile requires true.
    /// </summary>
    public static bool IsLocked
    {
        get
        {
            lock (Gate)
            {
                return Regions.TrueForAll(static region => region.IsLocked);
            }
        }
    }

    internal static Cell Rent(int length)
    {
        int cells = (length + CellLength - 1) / CellLength;
        lock (Gate)
        {
            foreach (SecretRegion region in Regions)
            {
                if (region.TryTake(cells, out int first))
                {
                    return new Cell(region, first, cells);
                }
            }
            var added = new SecretRegion();
            Regions.Add(added);
            return added.TryTake(cells, out int index)
                ? new Cell(added, index, cells)
                : throw new InvalidOperationException("A new region has no room.");
        }
    }

    internal static void Return(Cell cell)
    {
        lock (Gate)
        {
            cell.Region.GiveBack(cell.First, cell.Count);
        }
    }

    /// <summary>Neighbouring cells of one region.</summary>
    internal readonly record struct Cell(SecretRegion Region, int First, int Count)
    {
        internal Span<byte> Span => Region.Bytes(First, Count);
    }
}
