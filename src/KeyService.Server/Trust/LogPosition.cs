using System.Text;
using KeyService.Crypto.Logs;
using KeyService.Server.Audit;

namespace KeyService.Server.Trust;

/// <summary>How far a log slot reached, and what stood in it.</summary>
/// <param name="Slot">The slot.</param>
/// <param name="Frontier">The right edge of its tree; its size is the number of records.</param>
internal sealed record LogPosition(int Slot, MerkleFrontier Frontier)
{
    /// <summary>Count, then for each: slot, size, frontier.</summary>
    public static void Write(BinaryWriter writer, IReadOnlyCollection<LogPosition> positions)
    {
        writer.Write(positions.Count);
        foreach (var (slot, frontier) in positions)
        {
            var hashes = frontier.ToArray();
            writer.Write(slot);
            writer.Write(frontier.Size);
            writer.Write(hashes.Length);
            writer.Write(hashes);
        }
    }

    /// <exception cref="InvalidDataException">Not what <see cref="Write"/> wrote.</exception>
    public static List<LogPosition> Read(BinaryReader reader)
    {
        var positions = new List<LogPosition>();
        for (var left = reader.ReadInt32(); left > 0; left--)
        {
            var slot = reader.ReadInt32();
            var size = reader.ReadInt64();
            positions.Add(MerkleFrontier.TryParse(size, reader.ReadBytes(reader.ReadInt32()), out var frontier)
                ? new LogPosition(slot, frontier)
                : throw new InvalidDataException("The right edge is not that of a tree of this size."));
        }

        return positions;
    }

    public static byte[] ToArray(Action<BinaryWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true))
        {
            write(writer);
        }

        return stream.ToArray();
    }
}
