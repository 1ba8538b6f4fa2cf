using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>What a template refuses, in the words that its caller reads.</summary>
public sealed class ContextTemplateRefusalTests
{
    private const string TooLong = "A context value has at most 1,024 bytes of UTF-8, and a context at most 4,096 bytes encoded.";

    // Not as InlineData: an attribute cannot hold half a character.
    [Fact]
    public void A_value_that_breaks_a_rule_is_refused_as_a_context_refuses_it()
    {
        const string HalfCharacter = "A context value has a lone surrogate: it is not Unicode text.";
        const string Forbidden = "A context value holds U+0000 or U+FFFD, which are refused.";
        foreach ((string value, string said) in new[] { ("\uD800", HalfCharacter), ("x\uDC00y", HalfCharacter), ("a\0", Forbidden), ("\uFFFD", Forbidden) })
        {
            Assert.Equal(said, Refusal(value));
            Assert.Equal(said, Assert.Throws<InvalidContextException>(() => EncryptionContext.Create("row", value)).Message);
        }
    }

    [Fact]
    public void A_value_has_1024_bytes_at_most_and_the_whole_4096()
    {
        Assert.Null(Refusal(new string('v', 1024)));
        Assert.Equal(TooLong, Refusal(new string('v', 1025)));
        Assert.Equal(TooLong, Refusal(new string('ä', 513)));
        KeyValuePair<string, string>[] three = [.. Enumerable.Range(0, 3).Select(i => KeyValuePair.Create($"a{i}", new string('v', 1024)))];
        // 2 of count, three pairs of 1,030, "z" and its lengths: 5; so the value may have 999 bytes.
        ContextTemplate template = ContextTemplate.Create(EncryptionContext.Create(three), "z");
        Assert.Null(Refusal(new string('v', 999), template));
        Assert.Equal(TooLong, Refusal(new string('v', 1000), template));
    }

    [Fact]
    public void Values_that_were_not_given_or_are_too_many_are_misuse()
    {
        ContextTemplate template = ContextTemplate.Create(EncryptionContext.Empty, "a", "b", "c");
        Assert.Equal("2 values of the context were not given.", Misuse(template, 1));
        Assert.Equal("The context has no further open value.", Misuse(template, 4));
        Assert.StartsWith("The open keys are not in ascending byte order.",
            Assert.Throws<ArgumentException>(() => ContextTemplate.Create(EncryptionContext.Empty, "b", "a")).Message, StringComparison.Ordinal);
        Assert.Equal("destination", Assert.Throws<ArgumentOutOfRangeException>(() => { _ = template.Begin(new byte[4095]); }).ParamName);
    }

    private static string? Refusal(string value, ContextTemplate? template = null)
    {
        try
        {
            ContextTemplate.Filler filler = (template ?? ContextTemplate.Create(EncryptionContext.Empty, "row")).Begin(new byte[4096]);
            filler.Add(value);
            filler.Finish();
            return null;
        }
        catch (InvalidContextException e)
        {
            return e.Message;
        }
    }

    private static string Misuse(ContextTemplate template, int values) => Assert.Throws<InvalidOperationException>(() =>
    {
        ContextTemplate.Filler filler = template.Begin(new byte[4096]);
        for (int i = 0; i < values; i++)
        {
            filler.Add("v");
        }
        filler.Finish();
    }).Message;
}
