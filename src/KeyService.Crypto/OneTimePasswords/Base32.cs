namespace KeyService.Crypto;

/// <summary>Base32 of RFC 4648 section 6, capital letters without padding: how authenticator applications take a seed.</summary>
public static class Base32
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    private const int BitsOfLetter = 5;

    /// <summary>Letters that <paramref name="byteCount"/> bytes take.</summary>
    public static int LengthOf(int byteCount) => ((byteCount * 8) + BitsOfLetter - 1) / BitsOfLetter;

    /// <summary>Writes ASCII letters, so that a secret need not become a string.</summary>
    /// <param name="bytes">Any number.</param>
    /// <param name="letters">As long as <see cref="LengthOf"/> says.</param>
    public static void Encode(ReadOnlySpan<byte> bytes, Span<byte> letters)
    {
        if (letters.Length != LengthOf(bytes.Length))
        {
            throw new ArgumentException("The destination has another length than the text.", nameof(letters));
        }

        int pending = 0, count = 0, at = 0;
        foreach (var each in bytes)
        {
            pending = (pending << 8) | each;
            count += 8;
            while (count >= BitsOfLetter)
            {
                count -= BitsOfLetter;
                letters[at++] = (byte)Alphabet[(pending >> count) & 0x1F];
            }

            pending &= (1 << count) - 1;
        }

        if (count > 0)
        {
            letters[at] = (byte)Alphabet[(pending << (BitsOfLetter - count)) & 0x1F];
        }
    }
}
