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
        new("witness-request", [typeof(WitnessRequest)], Request)
        {
            MaxLength = 8192, Words = ["old "u8.ToArray(), "old 0\n\n"u8.ToArray(), [0x0A, 0x0A], [0x3D, 0x0A]], Seeds = Requests,
        },
        new("export-start", [typeof(ExportStart), typeof(MerkleFrontier)], Start)
        {
            MaxLength = 4096, Words = ["256\n"u8.ToArray(), "768\n"u8.ToArray(), [0x0A], [0x3D, 0x0A]], Seeds = Starts,
        },
        new("witness-policy", [typeof(WitnessPolicy)], Policy)
        {
            MaxLength = 4096, Words = ["witness "u8.ToArray(), "group "u8.ToArray(), "quorum "u8.ToArray(), " any "u8.ToArray(), " all "u8.ToArray(), "none"u8.ToArray(), [0x0A]], Seeds = Policies,
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

    private static Outcome Request(byte[] input)
    {
        bool answers = WitnessRequest.TryParseAnswer(input, out IReadOnlyList<NoteSignature> signatures);
        Unless(!answers || signatures.Count > 0, "an answer that parses has a signature");
        if (!WitnessRequest.TryParse(input, out WitnessRequest? request))
        {
            return Outcome.Refused(Outcome.Step(input.Length) + (answers ? 64 : 0));
        }
        UnlessSame(input, request!.ToArray(), "a request that parses is written again byte for byte");
        return Outcome.Taken(Outcome.Step(request.Proof.Count));
    }

    private static IEnumerable<(string Name, byte[] Bytes)> Requests()
    {
        byte[] note = VectorSeeds.Hex("audit-log", "encoded", "notes").First(seed => SignedNote.TryParse(seed.Input, out _)).Input;
        byte[] hash = [.. Encoding.ASCII.GetBytes(Convert.ToBase64String(new byte[32])), (byte)'\n'];
        yield return ("first", [.. "old 0\n\n"u8, .. note]);
        yield return ("with-a-proof", [.. "old 5\n"u8, .. hash, .. hash, (byte)'\n', .. note]);
        yield return ("a-leading-zero", [.. "old 05\n\n"u8, .. note]);
        yield return ("without-a-size", [.. "old\n\n"u8, .. note]);
        yield return ("an-answer", note[(note.AsSpan().IndexOf("\n\n"u8) + 2)..]);
    }

    private static Outcome Start(byte[] input)
    {
        if (!ExportStart.TryParse(input, out MerkleFrontier before))
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, ExportStart.Write(before), "a beginning that parses is written again byte for byte");
        return Outcome.Taken(Outcome.Step((int)(before.Size % 100_000)));
    }

    private static Outcome Policy(byte[] input)
    {
        if (!WitnessPolicy.TryParse(input, out WitnessPolicy? policy, out string fault))
        {
            Unless(fault.Length > 0, "a policy that is refused is refused for a reason");
            return Outcome.Refused(fault.Count(c => c == ' '));
        }
        return Outcome.Taken(policy!.Witnesses.Count + (8 * policy.Logs.Count));
    }

    private static IEnumerable<(string Name, byte[] Bytes)> Starts()
    {
        var before = new MerkleFrontier();
        for (int size = 1; size <= 1024; size++)
        {
            before.Append(MerkleHash.Leaf([(byte)size]));
            if (size is 256 or 768 or 1024)
            {
                yield return ($"of-{size}", ExportStart.Write(before));
            }
        }
    }

    private static IEnumerable<(string Name, byte[] Bytes)> Policies()
    {
        NoteVerifier[] witnesses = [.. Keys.Where(key => key.Algorithm == NoteAlgorithm.Cosignature)];
        NoteVerifier log = Keys.First(key => key.Algorithm == NoteAlgorithm.Ecdsa);
        string two = $"witness a {witnesses[0]}\nwitness b {witnesses[1]} https://b.example/\n";
        yield return ("no-witness", "quorum none\n"u8.ToArray());
        yield return ("one-of-two", Encoding.ASCII.GetBytes($"log {log}\n{two}group g any a b\nquorum g\n"));
        yield return ("two-levels", Encoding.ASCII.GetBytes($"{two}group g all a\ngroup h 2 g b\n# comment\n\nquorum h\n"));
        yield return ("a-loop", Encoding.ASCII.GetBytes($"{two}group g any g\nquorum g\n"));
    }

    private static string EntryVerdict(byte[] input) => DirectoryEntry.TryParse(input, out DirectoryEntry? entry) ? $"ok {Convert.ToHexStringLower(entry!.Encode())}" : "no";
}
