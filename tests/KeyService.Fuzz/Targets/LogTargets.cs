using System.Text;
using KeyService.Crypto.Logs;
using KeyService.Fuzz.Engine;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>What an auditor or a witness gets from somebody: notes, checkpoints, keys, proofs, entries of the directory.</summary>
internal static class LogTargets
{
    private static readonly NoteVerifier[] Keys =
        [.. VectorSeeds.Load("audit-log")["keys"]!.AsObject().Select(key => NoteVerifier.TryParse(key.Value!.GetValue<string>(), out NoteVerifier? verifier) ? verifier! : throw new InvalidOperationException())];

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("signed-note", [typeof(SignedNote), typeof(NoteSignature), typeof(Checkpoint), typeof(EcdsaNoteSignature), typeof(StrictBase64)], Note)
        {
            MaxLength = 4096, Verdict = NoteVerdict, Words = [[0x0A, 0x0A], [0xE2, 0x80, 0x94, 0x20], [0x2B], [0x3D, 0x0A], [0x20]],
            Seeds = () => VectorSeeds.Hex("audit-log", "encoded", "notes", "notNotes"),
        },
        new("vkey", [typeof(NoteVerifier), typeof(LogNames)], Vkey)
        {
            MaxLength = 2048, Words = [[0x2B], [0x3D], "keyservice/"u8.ToArray(), "AQ"u8.ToArray()], Seeds = () => VectorSeeds.Text("audit-log", "text", "vkeys", "notVkeys"),
        },
        new("inclusion-proof", [typeof(InclusionProofFile)], Proof)
        {
            MaxLength = 8192, Verdict = ProofVerdict, Words = ["extra "u8.ToArray(), "index "u8.ToArray(), [0x0A, 0x0A]],
            Seeds = () => VectorSeeds.Hex("audit-log", "encoded", "proofs", "notProofs"),
        },
        new("directory-entry", [typeof(DirectoryEntry)], Entry)
        {
            MaxLength = 256, Verdict = EntryVerdict, Words = [[1, 1], [1, 2], [1, 3], [1, 4], [0xFF, 0xFF]],
            Seeds = () => VectorSeeds.Hex("audit-log", "encoded", "entries", "notEntries"),
        },
    ];

    private static Outcome Note(byte[] input)
    {
        if (!SignedNote.TryParse(input, out SignedNote? note))
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, note!.ToArray(), "a note that parses is written again byte for byte");
        int verified = Keys.Count(key => key.Signed(note));
        bool isCheckpoint = Checkpoint.TryParse(note.Text, out Checkpoint? checkpoint);
        Unless(!isCheckpoint || checkpoint!.ToString() == note.Text, "a checkpoint that parses is written again");
        return Outcome.Taken(verified + (isCheckpoint ? 8 : 0) + (16 * Math.Min(note.Signatures.Count, 4)));
    }

    private static string NoteVerdict(byte[] input) => SignedNote.TryParse(input, out SignedNote? note) ? $"ok {Convert.ToHexStringLower(note!.ToArray())}" : "no";

    private static Outcome Vkey(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        _ = LogNames.TryParse(text, out _);
        if (!NoteVerifier.TryParse(text, out NoteVerifier? key))
        {
            return Outcome.Refused(text.Count(c => c == '+'));
        }
        Unless(key!.ToString() == text, "a key that parses is written again");
        return Outcome.Taken((int)key.Algorithm);
    }

    private static Outcome Proof(byte[] input)
    {
        if (!InclusionProofFile.TryParse(input, out InclusionProofFile? proof))
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, proof!.ToArray(), "a proof that parses is written again byte for byte");
        return Outcome.Taken(Outcome.Step(proof.Hashes.Count) + (proof.Extra is null ? 0 : 64));
    }

    private static string ProofVerdict(byte[] input) => InclusionProofFile.TryParse(input, out InclusionProofFile? proof) ? $"ok {Convert.ToHexStringLower(proof!.ToArray())}" : "no";

    private static Outcome Entry(byte[] input)
    {
        if (!DirectoryEntry.TryParse(input, out DirectoryEntry? entry))
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, entry!.Encode(), "an entry that parses encodes to the same bytes");
        return Outcome.Taken((int)entry.Kind);
    }

    private static string EntryVerdict(byte[] input) => DirectoryEntry.TryParse(input, out DirectoryEntry? entry) ? $"ok {Convert.ToHexStringLower(entry!.Encode())}" : "no";
}
