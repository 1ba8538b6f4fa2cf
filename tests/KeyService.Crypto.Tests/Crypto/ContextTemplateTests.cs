using FsCheck;
using FsCheck.Fluent;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>A template gives what a context gives, for every text, and refuses what a context refuses.</summary>
public sealed class ContextTemplateTests
{
    private readonly byte[] _buffer = new byte[EncryptionContext.MaxEncodedLength];

    [Fact]
    public void A_template_and_a_context_say_the_same_of_any_text()
    {
        ContextTemplate template = ContextTemplate.Create(EncryptionContext.Create([new("b", "fixed"), new("z", "")]), "a", "c");
        // Any UTF-16 at all: lone surrogates, U+0000 and U+FFFD among it.
        Gen<string> text = Gen.OneOf(Gen.Choose(0x20, 0x7e), Gen.Choose(0, 0xffff)).Select(unit => (char)unit).ListOf().Select(string.Concat);
        Prop.ForAll(Gen.Zip(text, text).ToArbitrary(), pair =>
        {
            byte[]? filled = null, made = null;
            Exception? refused = Record.Exception(() => filled = Fill(template, pair.Item1, pair.Item2));
            Exception? refusedToo = Record.Exception(() => made = EncryptionContext.Create(
                [new("a", pair.Item1), new("b", "fixed"), new("c", pair.Item2), new("z", "")]).Encoded.ToArray());
            return refused?.GetType() == refusedToo?.GetType() && (made ?? []).AsSpan().SequenceEqual(filled ?? []);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    [Theory]
    [InlineData(1024, true)]
    [InlineData(1025, false)]
    public void A_value_has_at_most_1024_bytes(int length, bool accepted)
    {
        ContextTemplate template = ContextTemplate.Create(EncryptionContext.Empty, "a");
        Exception? refused = Record.Exception(() => Fill(template, new string('v', length)));
        Assert.Equal(accepted ? null : typeof(InvalidContextException), refused?.GetType());
    }

    [Fact]
    public void A_context_has_at_most_4096_bytes()
    {
        // 2 for the count, 5 for each pair beside its value: 4 values of 1,018 and one more pair would be 4,096 and a little.
        ContextTemplate template = ContextTemplate.Create(EncryptionContext.Empty, "a", "b", "c", "d");
        string[] fits = [new('v', 1024), new('v', 1024), new('v', 1024), new('v', 4096 - 2 - (4 * 5) - (3 * 1024))];
        Assert.Equal(EncryptionContext.MaxEncodedLength, Fill(template, fits).Length);
        fits[3] += "v";
        Assert.Throws<InvalidContextException>(() => Fill(template, fits));
        ContextTemplate withTail = ContextTemplate.Create(EncryptionContext.Create("z", ""), "a", "b", "c", "d");
        fits[3] = fits[3][..^1];
        Assert.Throws<InvalidContextException>(() => Fill(withTail, fits));
    }

    [Fact]
    public void Numbers_are_written_in_the_invariant_form()
    {
        ContextTemplate template = ContextTemplate.Create(EncryptionContext.Empty, "a", "b");
        ContextTemplate.Filler filler = template.Begin(_buffer);
        filler.Add(-1234567L);
        filler.Add(new DateOnly(2026, 1, 9), "yyyy-MM-dd");
        Assert.Equal(
            EncryptionContext.Create([new("a", "-1234567"), new("b", "2026-01-09")]).Encoded.ToArray(), filler.Finish().Encoded.ToArray());
    }

    [Fact]
    public void What_is_not_filled_in_or_too_much_is_misuse()
    {
        ContextTemplate template = ContextTemplate.Create(EncryptionContext.Empty, "a");
        Assert.Equal(1, template.OpenCount);
        Assert.Throws<InvalidOperationException>(() => template.Begin(_buffer).Finish());
        Assert.Throws<InvalidOperationException>(() => Fill(template, "1", "2"));
        Assert.Throws<ArgumentOutOfRangeException>(() => template.Begin(new byte[4095]));
        Assert.Throws<ArgumentException>(() => ContextTemplate.Create(EncryptionContext.Empty, "b", "a"));
        Assert.Throws<InvalidContextException>(() => ContextTemplate.Create(EncryptionContext.Create("a", ""), "a"));
        Assert.Throws<ArgumentNullException>(() => ContextTemplate.Create(null!, "a"));
    }

    private byte[] Fill(ContextTemplate template, params string[] values)
    {
        ContextTemplate.Filler filler = template.Begin(_buffer);
        foreach (string value in values)
        {
            filler.Add(value);
        }
        return filler.Finish().Encoded.ToArray();
    }
}
