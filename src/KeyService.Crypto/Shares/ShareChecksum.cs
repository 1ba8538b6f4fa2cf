namespace KeyService.Crypto.Shares;

/// <summary>
/// RS1024, the checksum of three words at the end of a share: a Reed-Solomon code over GF(1024) (SLIP-39, "Checksum"). Finds every change of up to
/// three words; of others one in 10^9 slips through.
/// </summary>
internal static class ShareChecksum
{
    /// <summary>Words.</summary>
    public const int Length = 3;

    private const int BitsOfWord = 10;
    private const uint WordMask = (1 << BitsOfWord) - 1;

    private static ReadOnlySpan<byte> Customization => "shamir"u8;

    private static ReadOnlySpan<byte> ExtendableCustomization => "shamir_extendable"u8;

    // Generator (x - a)(x - a^2)(x - a^3) times each bit of the word that falls out.
    private static ReadOnlySpan<uint> Generator =>
    [
        0xE0E040, 0x1C1C080, 0x3838100, 0x7070200, 0xE0E0009, 0x1C0C2412, 0x38086C24, 0x3090FC48, 0x21B1F890, 0x3F3F120,
    ];

    /// <summary>Writes the last three words of a share.</summary>
    public static void Write(Span<ushort> words, bool extendable)
    {
        words[^Length..].Clear();
        var remainder = Remainder(words, extendable) ^ 1;
        for (var i = 0; i < Length; i++)
        {
            words[words.Length - Length + i] = (ushort)((remainder >> (BitsOfWord * (Length - 1 - i))) & WordMask);
        }
    }

    public static bool Holds(ReadOnlySpan<ushort> words, bool extendable) => Remainder(words, extendable) == 1;

    private static uint Remainder(ReadOnlySpan<ushort> words, bool extendable)
    {
        var remainder = 1u;
        foreach (var letter in extendable ? ExtendableCustomization : Customization)
        {
            remainder = Step(remainder, letter);
        }

        foreach (var word in words)
        {
            remainder = Step(remainder, word);
        }

        return remainder;
    }

    private static uint Step(uint remainder, uint word)
    {
        var top = remainder >> (2 * BitsOfWord);
        remainder = ((remainder & ((1u << (2 * BitsOfWord)) - 1)) << BitsOfWord) ^ word;
        for (var bit = 0; bit < BitsOfWord; bit++)
        {
            remainder ^= Generator[bit] & (0u - ((top >> bit) & 1));
        }

        return remainder;
    }
}
