using System.Text;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>Every limit of docs/spec/context.md at its edge and one beyond, by texts and by bytes; and the words of each refusal, which callers read.</summary>
public sealed class ContextLimitTests
{
    private const string KeyLengthRule = "A context key has 1 to 255 bytes of UTF-8.";
    private const string ValueLengthRule = "A context value has 0 to 1024 bytes of UTF-8.";
    private const string TooLarge = "A context has at most 4096 bytes encoded.";
    private const string TooMany = "A context has at most 16 pairs.";

    public static TheoryData<string, string, string?> Pairs => new()
    {
        { "k", "", null },
        { new string('k', 255), new string('v', 1024), null },
        { new string('ä', 127), new string('ä', 512), null },
        { "", "v", KeyLengthRule },
        { new string('k', 256), "v", KeyLengthRule },
        { new string('ä', 128), "v", KeyLengthRule },
        { "k", new string('v', 1025), ValueLengthRule },
        { "k", new string('ä', 512) + "v", ValueLengthRule },
        { "a\0", "v", "A context key holds U+0000 or U+FFFD, which are refused." },
        { "k", "\uFFFD", "A context value holds U+0000 or U+FFFD, which are refused." },
    };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void A_pair_is_taken_up_to_the_limit_and_refused_beyond_it_by_texts_and_by_bytes(string key, string value, string? refusal)
    {
        Assert.Equal(refusal, Refusal(() => EncryptionContext.Create(key, value)));
        Assert.Equal(refusal, Refusal(() => OfBytes((Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(value)))));
    }

    [Fact]
    public void Bytes_that_are_no_UTF8_and_texts_that_are_no_Unicode_are_refused_as_what_they_are()
    {
        Assert.Equal("A context key is not valid UTF-8.", Refusal(() => OfBytes(([0xC3], "v"u8.ToArray()))));
        Assert.Equal("A context value is not valid UTF-8.", Refusal(() => OfBytes(("k"u8.ToArray(), [0xED, 0xA0, 0x80]))));
        Assert.Equal("A context key has a lone surrogate: it is not Unicode text.", Refusal(() => EncryptionContext.Create("\uD800", "v")));
        Assert.Equal("A context value has a lone surrogate: it is not Unicode text.", Refusal(() => EncryptionContext.Create("k", "x\uDC00y")));
        Assert.Equal("A context key or value is null.", Refusal(() => EncryptionContext.Create("k", null!)));
    }

    [Fact]
    public void Sixteen_pairs_are_taken_and_seventeen_refused_on_every_way()
    {
        (byte[], byte[])[] sixteen = [.. Enumerable.Range(0, 16).Select(i => ((byte[])[(byte)('a' + i)], Array.Empty<byte>()))];
        EncryptionContext full = OfBytes(sixteen);
        Assert.Equal(16, full.Pairs.Count);
        Assert.Equal(TooMany, Refusal(() => OfBytes([.. sixteen, ("z"u8.ToArray(), [])])));
        Assert.Equal(TooMany, Refusal(() => EncryptionContext.Create(full.Pairs.Append(new("z", "")))));
        Assert.Equal(TooMany, Refusal(() => full.Merge(EncryptionContext.Create("z", ""))));
        Assert.Equal(TooMany, Refusal(() => EncryptionContext.Create("z", "").Merge(full)));
    }

    // The last value takes the room that is left, to the byte: 2 bytes of count, three pairs of 2 + 2 + 2 + 1024, then 2 + KEY + 2 + VALUE.
    [Theory]
    [InlineData(2, 998, true)]
    [InlineData(2, 999, false)]
    [InlineData(3, 998, false)]
    public void The_whole_has_4096_bytes_at_most(int keyLength, int valueLength, bool fits)
    {
        (byte[] Key, byte[] Value)[] pairs =
        [
            .. Enumerable.Range(0, 3).Select(i => ((byte[])[(byte)'k', (byte)('0' + i)], Encoding.ASCII.GetBytes(new string('v', 1024)))),
            (Encoding.ASCII.GetBytes(new string('x', keyLength)), Encoding.ASCII.GetBytes(new string('v', valueLength))),
        ];
        KeyValuePair<string, string>[] texts = [.. pairs.Select(pair => KeyValuePair.Create(Encoding.ASCII.GetString(pair.Key), Encoding.ASCII.GetString(pair.Value)))];
        string? expected = fits ? null : TooLarge;
        Assert.Equal(expected, Refusal(() => OfBytes(pairs)));
        Assert.Equal(expected, Refusal(() => EncryptionContext.Create(texts)));
        Assert.Equal(expected, Refusal(() => EncryptionContext.Create(texts[..3]).Merge(EncryptionContext.Create(texts[3..]))));
        Assert.True(!fits || OfBytes(pairs).Encoded.Length == 4096);
    }

    [Fact]
    public void An_empty_value_fits_into_the_last_two_bytes_and_not_into_one()
    {
        // Three pairs of 1,030 bytes and one that leaves 259 bytes: the length of the last key, 255 bytes of it, the length of its value.
        List<KeyValuePair<string, string>> texts =
        [
            .. Enumerable.Range(0, 3).Select(i => KeyValuePair.Create($"k{i}", new string('v', 1024))),
            new("y", new string('v', 4096 - 2 - (3 * 1030) - 5 - 259)),
            new(new string('x', 255), ""),
        ];
        Assert.Equal(4096, EncryptionContext.Create(texts).Encoded.Length);
        texts[3] = new("yy", texts[3].Value);
        Assert.Equal(TooLarge, Refusal(() => EncryptionContext.Create(texts)));
    }

    [Fact]
    public void A_key_that_stands_twice_is_refused_wherever_it_stands()
    {
        Assert.Equal("A context key stands twice.", Refusal(() => EncryptionContext.Create([new("a", "1"), new("b", "2"), new("a", "3")])));
        Assert.Equal("A context key stands twice.", Refusal(() => OfBytes(("b"u8.ToArray(), []), ("a"u8.ToArray(), []), ("b"u8.ToArray(), []))));
    }

    [Fact]
    public void Buffers_that_are_too_small_and_no_context_at_all_are_misuse()
    {
        Assert.Equal("text", Assert.Throws<ArgumentOutOfRangeException>(() => { _ = new ContextEncoder(new byte[4095], new ContextEncoder.Entry[16]); }).ParamName);
        Assert.Equal("entries", Assert.Throws<ArgumentOutOfRangeException>(() => { _ = new ContextEncoder(new byte[4096], new ContextEncoder.Entry[15]); }).ParamName);
        Assert.Throws<ArgumentNullException>(() => new ContextEncoder(new byte[4096], new ContextEncoder.Entry[16]).Add(null!));
        Assert.Throws<ArgumentNullException>(() => { CanonicalContext none = (EncryptionContext)null!; _ = none.Encoded; });
        Assert.Throws<ArgumentNullException>(() => EncryptionContext.Empty.Merge(null!));
        Assert.Throws<ArgumentNullException>(() => EncryptionContext.Create((IEnumerable<KeyValuePair<string, string>>)null!));
    }

    [Fact]
    public void What_the_encoder_took_after_a_mark_is_forgotten_to_the_byte()
    {
        var encoder = new ContextEncoder(new byte[4096], new ContextEncoder.Entry[16]);
        int empty = encoder.Mark;
        encoder.Add("b"u8, "1"u8);
        int one = encoder.Mark;
        encoder.Add("a"u8, "2"u8);
        Assert.Equal(2, encoder.Count);
        encoder.ReturnTo(one);
        Assert.Equal(1, encoder.Count);
        Assert.Equal(EncryptionContext.Create("b", "1").Encoded, encoder.Finish());
        encoder.ReturnTo(empty);
        Assert.Equal(0, encoder.Count);
        Assert.Equal([0, 0], encoder.Finish());
    }

    [Fact]
    public void Contexts_are_equal_by_their_bytes_and_differ_from_nothing()
    {
        EncryptionContext one = EncryptionContext.Create("a", "1");
        Assert.True(one.Equals(EncryptionContext.Create("a", "1")));
        Assert.False(one.Equals(EncryptionContext.Create("a", "2")));
        Assert.False(one.Equals((EncryptionContext?)null));
        Assert.False(one.Equals((object)"a=1"));
        Assert.Same(one.Pairs, one.Pairs);
        Assert.Null(one["b"]);
        Assert.True(Enumerable.Range(0, 50).Select(i => EncryptionContext.Create("a", $"{i}").GetHashCode()).Distinct().Count() > 40);
    }

    private static EncryptionContext OfBytes(params (byte[] Key, byte[] Value)[] pairs)
    {
        var encoder = new ContextEncoder(new byte[4096], new ContextEncoder.Entry[16]);
        foreach ((byte[] key, byte[] value) in pairs)
        {
            encoder.Add(key, value);
        }
        Assert.True(EncryptionContext.TryParse(encoder.Finish(), out EncryptionContext context));
        return context;
    }

    private static string? Refusal(Func<EncryptionContext> make) => Record.Exception(() => make()) switch
    {
        null => null,
        InvalidContextException e => e.Message,
        Exception e => $"not a refusal: {e}",
    };
}
