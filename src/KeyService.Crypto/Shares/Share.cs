namespace KeyService.Crypto.Shares;

/// <summary>
/// One share of a secret: 20 words or more (SLIP-39, "Format of the share mnemonic"), of which some say to which set it belongs and where it stands
/// there, which anybody may know, and the others are its part of the secret. Words are numbers here, so that none becomes a string.
/// </summary>
public sealed class Share : IDisposable
{
    /// <summary>Bytes of a secret at least.</summary>
    public const int MinSecretLength = 16;

    /// <summary>Bytes of a secret at most; SLIP-39 itself knows no bound.</summary>
    public const int MaxSecretLength = 64;

    /// <summary>Words of the longest share.</summary>
    public const int MaxWords = HeaderWords + (((8 * MaxSecretLength) + BitsOfWord - 1) / BitsOfWord) + ShareChecksum.Length;

    private const int BitsOfWord = 10;
    private const int HeaderWords = 4;
    private const int MinWords = 20;
    private const int MaxPadding = 8;

    // The secret's length is even: this is how many bits its words may be short of or beyond a whole number of pairs of bytes.
    private const int BitsOfPair = 16;

    private readonly SecretBuffer _value;

    internal Share(ShareSetParameters set, int groupIndex, int memberIndex, int memberThreshold, SecretBuffer value)
    {
        Set = set;
        GroupIndex = groupIndex;
        MemberIndex = memberIndex;
        MemberThreshold = memberThreshold;
        _value = value;
    }

    /// <summary>The splitting that it comes from.</summary>
    public ShareSetParameters Set { get; }

    /// <summary>Its group, from 0.</summary>
    public int GroupIndex { get; }

    /// <summary>Its place in the group, from 0.</summary>
    public int MemberIndex { get; }

    /// <summary>Shares of the group that are needed.</summary>
    public int MemberThreshold { get; }

    /// <summary>Bytes of the secret that was split.</summary>
    public int SecretLength => _value.Length;

    /// <summary>How many words it is.</summary>
    public int WordCount => WordsOf(_value.Length);

    internal ReadOnlySpan<byte> Value => _value.DangerousSpan;

    /// <summary>Words of a share of a secret of so many bytes.</summary>
    public static int WordsOf(int secretLength) => HeaderWords + (((8 * secretLength) + BitsOfWord - 1) / BitsOfWord) + ShareChecksum.Length;

    /// <summary>Reads a share. What parses is written again as the same words.</summary>
    /// <param name="words">Numbers of words (<see cref="ShareWordList"/>); the caller zeroes them.</param>
    public static bool TryParse(ReadOnlySpan<ushort> words, out Share? share, out ShareFault fault)
    {
        share = null;
        var padding = BitsOfWord * (words.Length - HeaderWords - ShareChecksum.Length) % BitsOfPair;
        if (words.Length is < MinWords or > MaxWords || padding > MaxPadding)
        {
            fault = ShareFault.Length;
            return false;
        }

        if (words.ContainsAnyExceptInRange((ushort)0, (ushort)(ShareWordList.Count - 1)))
        {
            fault = ShareFault.Word;
            return false;
        }

        var header = 0UL;
        foreach (var word in words[..HeaderWords])
        {
            header = (header << BitsOfWord) | word;
        }

        var memberThreshold = Field(ref header, 4) + 1;
        var memberIndex = Field(ref header, 4);
        var groupCount = Field(ref header, 4) + 1;
        var groupThreshold = Field(ref header, 4) + 1;
        var groupIndex = Field(ref header, 4);
        var exponent = Field(ref header, 4);
        var extendable = Field(ref header, 1) != 0;
        var set = new ShareSetParameters(Field(ref header, ShareSetParameters.IdentifierBits), extendable, exponent, groupThreshold, groupCount);
        if (!ShareChecksum.Holds(words, extendable))
        {
            fault = ShareFault.Checksum;
            return false;
        }

        var body = words[HeaderWords..^ShareChecksum.Length];
        if (groupThreshold > groupCount || groupIndex >= groupCount || body[0] >> (BitsOfWord - padding) != 0)
        {
            fault = ShareFault.Malformed;
            return false;
        }

        var value = new SecretBuffer(((BitsOfWord * body.Length) - padding) / 8);
        Unpack(body, padding, value.DangerousSpan);
        share = new Share(set, groupIndex, memberIndex, memberThreshold, value);
        fault = ShareFault.None;
        return true;
    }

    /// <summary>Writes the share.</summary>
    /// <param name="words"><see cref="WordCount"/> numbers of words; a secret, which the caller zeroes.</param>
    public void WriteWords(Span<ushort> words)
    {
        if (words.Length != WordCount)
        {
            throw new ArgumentException("The destination has another length than the share.", nameof(words));
        }

        var header = (ulong)Set.Identifier;
        foreach (var (value, bits) in new[]
        {
            (Set.Extendable ? 1 : 0, 1), (Set.IterationExponent, 4), (GroupIndex, 4), (Set.GroupThreshold - 1, 4), (Set.GroupCount - 1, 4), (MemberIndex, 4),
            (MemberThreshold - 1, 4),
        })
        {
            header = (header << bits) | (uint)value;
        }

        for (var i = 0; i < HeaderWords; i++)
        {
            words[i] = (ushort)((header >> (BitsOfWord * (HeaderWords - 1 - i))) & (ShareWordList.Count - 1));
        }

        Pack(_value.DangerousSpan, words[HeaderWords..^ShareChecksum.Length]);
        ShareChecksum.Write(words, Set.Extendable);
    }

    /// <summary>Zeroes the share.</summary>
    public void Dispose() => _value.Dispose();

    /// <summary>What anybody may know: set, group and place.</summary>
    public override string ToString() => $"Share({Set.Identifier}, group {GroupIndex}, member {MemberIndex})";

    private static int Field(ref ulong header, int bits)
    {
        var value = (int)(header & ((1UL << bits) - 1));
        header >>= bits;
        return value;
    }

    private static void Unpack(ReadOnlySpan<ushort> words, int padding, Span<byte> bytes)
    {
        uint pending = 0;
        int count = -padding, at = 0;
        foreach (var word in words)
        {
            pending = (pending << BitsOfWord) | word;
            for (count += BitsOfWord; count >= 8; count -= 8)
            {
                bytes[at++] = (byte)(pending >> (count - 8));
            }

            pending &= (1u << Math.Max(count, 0)) - 1;
        }
    }

    private static void Pack(ReadOnlySpan<byte> bytes, Span<ushort> words)
    {
        uint pending = 0;
        int count = (BitsOfWord * words.Length) - (8 * bytes.Length), at = 0;
        foreach (var each in bytes)
        {
            pending = (pending << 8) | each;
            for (count += 8; count >= BitsOfWord; count -= BitsOfWord)
            {
                words[at++] = (ushort)((pending >> (count - BitsOfWord)) & (ShareWordList.Count - 1));
            }

            pending &= (1u << count) - 1;
        }
    }
}
