using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.Transfers;
using KeyService.Fuzz.Engine;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>What is carried to and from key ceremonies: transcripts, and backup keys on their way into a token.</summary>
internal static class CeremonyTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("transcript", [typeof(Transcript), typeof(TranscriptEntry), typeof(TranscriptSignature)], RunTranscript)
        {
            MaxLength = 8192, Verdict = VerdictOfTranscript, Words = [[0x0A], "begin "u8.ToArray(), "done "u8.ToArray(), "end "u8.ToArray(), "\\u{"u8.ToArray(), "signatures 0\n"u8.ToArray()],
            Seeds = () => VectorSeeds.Hex("transcript", "encoded", "transcripts", "notTranscripts").Where(seed => seed.Input.Length <= 8192),
        },
        new("transfer-key", [typeof(TransferKey)], input => Run(input, TransferKeyAgain(input)))
        {
            MaxLength = TransferKey.MaxLength, Verdict = input => VerdictOf(TransferKeyAgain(input)), Words = [[0x0A], "AQAB"u8.ToArray()],
            Seeds = () => VectorSeeds.Hex("key-transfer", "encoded", "transferKeys", "notTransferKeys").Where(seed => seed.Input.Length <= TransferKey.MaxLength),
        },
        new("sealed-backup-key", [typeof(SealedBackupKey)], input => Run(input, SealedBackupKeyAgain(input)))
        {
            MaxLength = SealedBackupKey.MaxLength, Verdict = input => VerdictOf(SealedBackupKeyAgain(input)), Words = [[0x0A], "wrapped "u8.ToArray()],
            Seeds = () => VectorSeeds.Hex("key-transfer", "encoded", "sealedKeys", "notSealedKeys").Where(seed => seed.Input.Length <= SealedBackupKey.MaxLength),
        },
    ];

    private static Outcome RunTranscript(byte[] input)
    {
        if (!Transcript.TryParse(input, out Transcript? transcript))
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, transcript!.ToArray(), "what parses is written again byte for byte");
        return Outcome.Taken(TranscriptVerdict.Of(transcript).Findings.Aggregate(0, (found, each) => found | 1 << (int)each));
    }

    private static string VerdictOfTranscript(byte[] input) => Transcript.TryParse(input, out Transcript? transcript)
        ? $"ok {Convert.ToHexStringLower(transcript!.ToArray())} {string.Join(',', TranscriptVerdict.Of(transcript).Findings)}"
        : "no";

    private static Outcome Run(byte[] input, byte[]? again)
    {
        if (again is null)
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, again, "what parses is written again byte for byte");
        return Outcome.Taken();
    }

    private static string VerdictOf(byte[]? again) => again is null ? "no" : $"ok {Convert.ToHexStringLower(again)}";

    private static byte[]? TransferKeyAgain(byte[] input) => TransferKey.TryParse(input, out TransferKey? key) ? key!.ToArray() : null;

    private static byte[]? SealedBackupKeyAgain(byte[] input) => SealedBackupKey.TryParse(input, out SealedBackupKey? key) ? key!.ToArray() : null;
}
