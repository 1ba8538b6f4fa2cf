using System.Globalization;
using System.Text;

namespace KeyService.Crypto.Logs;

/// <summary>A proof that a stranger can check (C2SP tlog-proof): an entry's place, the hashes beside its way up, and a signed checkpoint.</summary>
/// <param name="Extra">Bytes for whoever reads it, not trusted; ours hold the entry itself. Null when there is none.</param>
/// <param name="Index">Place of the entry, from 0.</param>
/// <param name="Hashes">From the leaf's sibling upwards.</param>
/// <param name="Note">The checkpoint.</param>
public sealed record InclusionProofFile(byte[]? Extra, long Index, IReadOnlyList<byte[]> Hashes, SignedNote Note)
{
    /// <summary>Bytes at most.</summary>
    public const int MaxLength = 2 * LogTiles.MaxEntryLength;

    private const string FirstLine = "c2sp.org/tlog-proof@v1";
    private const string ExtraStart = "extra ";
    private const string IndexStart = "index ";

    /// <summary>The file's bytes.</summary>
    public byte[] ToArray()
    {
        var text = new StringBuilder($"{FirstLine}\n");
        if (Extra is not null)
        {
            text.Append(ExtraStart).Append(Convert.ToBase64String(Extra)).Append('\n');
        }
        text.Append(CultureInfo.InvariantCulture, $"{IndexStart}{Index}\n");
        foreach (byte[] hash in Hashes)
        {
            text.Append(Convert.ToBase64String(hash)).Append('\n');
        }
        return Encoding.UTF8.GetBytes(text.Append('\n').Append(Note).ToString());
    }

    /// <summary>What parses is written again byte for byte; nothing of it is verified yet.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out InclusionProofFile? proof)
    {
        proof = null;
        int end = bytes.IndexOf("\n\n"u8);
        if (bytes.Length > MaxLength || end < 0 || !SignedNote.TryParse(bytes[(end + 2)..], out SignedNote? note))
        {
            return false;
        }
        // Anything but ASCII becomes a character that no line below takes.
        string[] lines = Encoding.ASCII.GetString(bytes[..end]).Split('\n');
        int at = 1;
        byte[]? extra = null;
        if (lines.Length > at && lines[at].StartsWith(ExtraStart, StringComparison.Ordinal))
        {
            if (!StrictBase64.TryDecode(lines[at++][ExtraStart.Length..], out extra))
            {
                return false;
            }
        }
        if (lines[0] != FirstLine || lines.Length <= at || !lines[at].StartsWith(IndexStart, StringComparison.Ordinal)
            || !Checkpoint.TryParseNumber(lines[at][IndexStart.Length..], out long index) || lines.Length - at - 1 > MerkleProof.MaxLength)
        {
            return false;
        }
        var hashes = new List<byte[]>();
        foreach (string line in lines[(at + 1)..])
        {
            if (!StrictBase64.TryDecodeHash(line, out byte[] hash))
            {
                return false;
            }
            hashes.Add(hash);
        }
        proof = new InclusionProofFile(extra, index, hashes, note!);
        return true;
    }
}
