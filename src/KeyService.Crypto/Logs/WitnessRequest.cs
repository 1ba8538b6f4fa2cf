using System.Globalization;
using System.Text;

namespace KeyService.Crypto.Logs;

/// <summary>
/// What a log asks of a witness (C2SP tlog-witness, add-checkpoint): a line <c>old N</c>, the hashes of a consistency proof, an empty line, the
/// checkpoint.
/// </summary>
/// <param name="OldSize">Of the checkpoint that the witness cosigned last, 0 when there is none.</param>
/// <param name="Proof">From there to the checkpoint.</param>
/// <param name="Note">The checkpoint.</param>
public sealed record WitnessRequest(long OldSize, IReadOnlyList<byte[]> Proof, SignedNote Note)
{
    /// <summary>Bytes at most: the longest note behind the longest proof.</summary>
    public const int MaxLength = SignedNote.MaxLength + 4096;

    private const string OldStart = "old ";

    /// <summary>The request's body.</summary>
    public byte[] ToArray() => Encoding.UTF8.GetBytes(string.Create(
        CultureInfo.InvariantCulture, $"{OldStart}{OldSize}\n{string.Concat(Proof.Select(hash => Convert.ToBase64String(hash) + "\n"))}\n{Note}"));

    /// <summary>What parses is written again byte for byte; nothing of it is verified yet.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out WitnessRequest? request)
    {
        request = null;
        int end = bytes.IndexOf("\n\n"u8);
        if (bytes.Length > MaxLength || end < 0 || !SignedNote.TryParse(bytes[(end + 2)..], out SignedNote? note))
        {
            return false;
        }
        string[] lines = Encoding.ASCII.GetString(bytes[..end]).Split('\n');
        if (!lines[0].StartsWith(OldStart, StringComparison.Ordinal) || !Checkpoint.TryParseNumber(lines[0][OldStart.Length..], out long old)
            || lines.Length - 1 > MerkleProof.MaxLength)
        {
            return false;
        }
        var proof = new List<byte[]>();
        foreach (string line in lines[1..])
        {
            if (!StrictBase64.TryDecodeHash(line, out byte[] hash))
            {
                return false;
            }
            proof.Add(hash);
        }
        request = new WitnessRequest(old, proof, note!);
        return true;
    }

    /// <summary>Reads a witness's answer: signature lines, one at least.</summary>
    public static bool TryParseAnswer(ReadOnlySpan<byte> bytes, out IReadOnlyList<NoteSignature> signatures)
    {
        // As if they stood below a text.
        bool parsed = SignedNote.TryParse([.. "-\n\n"u8, .. bytes], out SignedNote? note);
        signatures = note?.Signatures ?? [];
        return parsed;
    }
}
