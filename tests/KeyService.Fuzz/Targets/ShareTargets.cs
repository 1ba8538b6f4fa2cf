using System.Runtime.InteropServices;
using KeyService.Crypto.Shares;
using KeyService.Fuzz.Engine;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>What custodians type: shares, as numbers of words of 16 bits.</summary>
internal static class ShareTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("share", [typeof(Share), typeof(ShareChecksum)], Run)
        {
            MaxLength = sizeof(ushort) * Share.MaxWords, Verdict = VerdictOf, Seeds = Seeds,
        },
    ];

    // The first share of each vector, good and bad.
    private static IEnumerable<(string Name, byte[] Input)> Seeds() =>
        from list in new[] { "positive", "negative" }
        from vector in VectorSeeds.Load("slip39")[list]!.AsArray()
        let words = vector!["shares"]![0]!.GetValue<string>().Split(' ').Select(word => ShareWordList.TryFind(word, out ushort number) ? number : ushort.MaxValue).ToArray()
        select ($"vector-{vector["name"]!.GetValue<string>().Split('.')[0]}", MemoryMarshal.AsBytes(words.AsSpan()).ToArray());

    private static Outcome Run(byte[] input)
    {
        if (!Share.TryParse(Words(input), out Share? share, out ShareFault fault))
        {
            return Outcome.Refused((int)fault);
        }

        using (share)
        {
            UnlessSame(input, Written(share!), "what parses is written again word for word");
            return Outcome.Taken(Outcome.Step(share!.WordCount));
        }
    }

    private static string VerdictOf(byte[] input)
    {
        bool parsed = Share.TryParse(Words(input), out Share? share, out _);
        using (share)
        {
            return parsed ? $"ok {Convert.ToHexStringLower(Written(share!))}" : "no";
        }
    }

    // Of an odd number of bytes the last one is no word: more than any share has.
    private static ReadOnlySpan<ushort> Words(byte[] input) =>
        input.Length % sizeof(ushort) == 0 ? MemoryMarshal.Cast<byte, ushort>(input) : new ushort[Share.MaxWords + 1];

    private static byte[] Written(Share share)
    {
        var words = new ushort[share.WordCount];
        share.WriteWords(words);
        return MemoryMarshal.AsBytes(words.AsSpan()).ToArray();
    }
}
