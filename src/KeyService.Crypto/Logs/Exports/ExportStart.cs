using System.Globalization;

namespace KeyService.Crypto.Logs;

/// <summary>
/// Where the records of an exported log begin when it is not with the first: how many there are before, and the hashes of their perfect
/// subtrees, from which the root over all of them follows. docs/spec/audit-export.md.
/// </summary>
public static class ExportStart
{
    private const int MaxLength = 4096;

    /// <summary>The file's bytes: the number, then a line of base64 for each hash.</summary>
    public static byte[] Write(MerkleFrontier before) => System.Text.Encoding.ASCII.GetBytes(
        string.Create(CultureInfo.InvariantCulture, $"{before.Size}\n")
        + string.Concat(before.ToArray().Chunk(MerkleHash.Length).Select(hash => Convert.ToBase64String(hash) + "\n")));

    /// <summary>False unless the bytes are those of a whole number of bundles, one at least. What parses is written again byte for byte.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out MerkleFrontier before)
    {
        before = new MerkleFrontier();
        string[] lines = bytes.Length > MaxLength ? [] : System.Text.Encoding.ASCII.GetString(bytes).Split('\n');
        if (lines.Length < 2 || lines[^1].Length != 0 || !Logs.Checkpoint.TryParseNumber(lines[0], out long size) || size == 0 || size % LogTiles.Width != 0)
        {
            return false;
        }
        var hashes = new List<byte>();
        foreach (string line in lines[1..^1])
        {
            if (!StrictBase64.TryDecodeHash(line, out byte[] hash))
            {
                return false;
            }
            hashes.AddRange(hash);
        }
        return MerkleFrontier.TryParse(size, hashes.ToArray(), out before);
    }
}
