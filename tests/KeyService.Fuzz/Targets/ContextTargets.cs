using System.Buffers.Binary;
using System.Runtime.InteropServices;
using KeyService.Crypto;
using KeyService.Fuzz.Engine;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>docs/spec/context.md: the encoded form, and the two ways of making it.</summary>
internal static class ContextTargets
{
    private static readonly byte[][] Words = ["tenant"u8.ToArray(), "table"u8.ToArray(), [0, 0], [0, 1], [0, 16], [0, 17], [0x03, 0xFF], [0x04, 0x00], [0x04, 0x01]];

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("context", [typeof(EncryptionContext), typeof(ContextDecoder)], Encoded)
        {
            MaxLength = 5000, Words = Words, Verdict = Verdict,
            Seeds = () => VectorSeeds.Hex("context", "encoded", "positive", "negativeEncoded"),
        },
        new("context-entries", [typeof(ContextEncoder)], Entries)
        {
            MaxLength = 6000, Words = Words,
            Seeds = () => VectorSeeds.Hex("context", "encoded", "positive").Select(seed => (seed.Name, seed.Input[2..])),
        },
        new("context-strings", [typeof(ContextEncoder)], Strings)
        {
            MaxLength = 6000, Words = [[0xD8, 0x00], [0xDC, 0x00], [0xFF, 0xFD], [0, 0], [0xDB, 0xFF, 0xDF, 0xFF]],
            Seeds = () => VectorSeeds.Hex("context", "encoded", "positive").Select(seed => (seed.Name, seed.Input[2..])),
        },
        new("grant-terms", [typeof(GrantTerms)], Terms)
        {
            MaxLength = 9000, Words = [.. Words, [1], [2], [3], "ehr/"u8.ToArray(), [0, 0, 0, 0, 0, 0, 0, 1]],
            Seeds = () => VectorSeeds.Hex("grant-terms", "encoded", "positive", "negative"),
        },
        new("quota", [typeof(Quota)], QuotaText)
        {
            MaxLength = 64, Words = ["calls/"u8.ToArray(), "items/"u8.ToArray(), "bytes/"u8.ToArray(), "hour="u8.ToArray(), "day="u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("calls/hour=1", "items/day=10000", "bytes/day=9007199254740991", "calls/week=5", "calls/hour=01"),
        },
    ];

    private static Outcome Encoded(byte[] input)
    {
        if (!EncryptionContext.TryParse(input, out EncryptionContext context))
        {
            Unless(ReferenceEquals(context, EncryptionContext.Empty), "what is refused gives the empty context");
            return Outcome.Refused(input.Length < 2 ? -1 : Outcome.Step(BinaryPrimitives.ReadUInt16BigEndian(input)));
        }
        UnlessSame(input, context.Encoded, "what parses is its own encoding");
        UnlessSame(input, EncryptionContext.Create(context.Pairs).Encoded, "its pairs make the same bytes");
        UnlessSame(input, EncryptionContext.Create(context.Pairs.Reverse()).Encoded, "its pairs in another order make the same bytes");
        return Outcome.Taken((context.Pairs.Count * 16) + Outcome.Step(input.Length));
    }

    private static Outcome Terms(byte[] input)
    {
        if (!GrantTerms.TryParse(input, out GrantTerms terms))
        {
            Unless(ReferenceEquals(terms, GrantTerms.None), "what is refused gives no terms");
            return Outcome.Refused(input.Length < 2 ? -1 : Outcome.Step(input[1]));
        }
        UnlessSame(input, terms.Encode(), "what parses is its own encoding");
        UnlessSame(input, GrantTerms.Create(ContextConstraint.Create(terms.Constraint.Rules.Reverse()), terms.Quotas.Reverse()).Encode(), "its parts in another order make the same bytes");
        Unless(terms.Constraint.Rules.Count == 0 || !terms.Constraint.IsMetBy(null), "no context meets no rule");
        return Outcome.Taken((terms.Constraint.Rules.Count * 8) + terms.Quotas.Count);
    }

    private static Outcome QuotaText(byte[] input)
    {
        string text = System.Text.Encoding.Latin1.GetString(input);
        if (!Quota.TryParse(text, out Quota quota))
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        Unless(quota.IsValid && quota.ToString() == text, "what parses is written as it was");
        return Outcome.Taken((int)quota.Measure);
    }

    // Pairs as they come over the wire: key and value, each behind two bytes of length, clamped to what there is.
    private static Outcome Entries(byte[] input)
    {
        var encoder = new ContextEncoder(stackalloc byte[EncryptionContext.MaxEncodedLength], stackalloc ContextEncoder.Entry[EncryptionContext.MaxPairs]);
        Span<byte> before = stackalloc byte[EncryptionContext.MaxEncodedLength];
        Span<byte> after = stackalloc byte[EncryptionContext.MaxEncodedLength];
        ReadOnlySpan<byte> rest = input;
        Outcome? refused = null;
        while (!rest.IsEmpty && refused is null)
        {
            ReadOnlySpan<byte> key = Take(ref rest);
            ReadOnlySpan<byte> value = Take(ref rest);
            int mark = encoder.Mark;
            ReadOnlySpan<byte> whole = encoder.Encode(before).Encoded;
            try
            {
                encoder.Add(key, value);
            }
            catch (InvalidContextException e)
            {
                encoder.ReturnTo(mark);
                UnlessSame(whole, encoder.Encode(after).Encoded, "after a refusal the mark leads back to what was there");
                refused = Outcome.Refused(e);
            }
        }
        ReadOnlySpan<byte> encoded = encoder.Encode(after).Encoded;
        Unless(EncryptionContext.TryParse(encoded, out EncryptionContext context), "what the encoder makes parses");
        Unless(context.Pairs.Count == encoder.Count, "no pair is lost");
        return refused ?? Outcome.Taken(encoder.Count);
    }

    private static Outcome Strings(byte[] input)
    {
        var pairs = new List<KeyValuePair<string, string>>();
        ReadOnlySpan<byte> rest = input;
        while (!rest.IsEmpty)
        {
            pairs.Add(new(Utf16(Take(ref rest)), Utf16(Take(ref rest))));
        }
        try
        {
            EncryptionContext context = EncryptionContext.Create(pairs);
            Unless(EncryptionContext.TryParse(context.Encoded, out EncryptionContext again) && again.Equals(context), "what is made parses");
            Unless(pairs.OrderBy(pair => pair.Key, StringComparer.Ordinal).SequenceEqual(context.Pairs.OrderBy(pair => pair.Key, StringComparer.Ordinal)),
                "the texts come back as they were");
            return Outcome.Taken(pairs.Count);
        }
        catch (InvalidContextException e)
        {
            return Outcome.Refused(e);
        }
    }

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> rest)
    {
        int length = rest.Length >= 2 ? Math.Min(BinaryPrimitives.ReadUInt16BigEndian(rest), rest.Length - 2) : 0;
        ReadOnlySpan<byte> taken = rest.Length >= 2 ? rest.Slice(2, length) : default;
        rest = rest.Length >= 2 ? rest[(2 + length)..] : default;
        return taken;
    }

    private static string Utf16(ReadOnlySpan<byte> bytes)
    {
        Span<char> chars = stackalloc char[bytes.Length / 2];
        MemoryMarshal.Cast<byte, char>(bytes[..(chars.Length * 2)]).CopyTo(chars);
        return new string(chars);
    }

    private static string Verdict(byte[] input) =>
        EncryptionContext.TryParse(input, out EncryptionContext context) ? $"ok {Convert.ToHexStringLower(EncryptionContext.Create(context.Pairs).Encoded)}" : "no";
}
