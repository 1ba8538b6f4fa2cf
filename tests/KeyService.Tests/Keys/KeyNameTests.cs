using System.Text;
using FsCheck;
using FsCheck.Fluent;
using KeyService.Server.Access;
using KeyService.Server.Keys;

namespace KeyService.Tests.Keys;

public class KeyNameTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("0")]
    [InlineData("ehr-backup")]
    [InlineData("ehr/patients/notes_v2.1")]
    [InlineData("a/0")]
    public void A_name_of_the_grammar_is_taken_as_it_is(string text)
    {
        Assert.True(KeyName.TryParse(text, out var name));
        Assert.Equal(text, name.Value);
        Assert.True(KeyName.TryParse(Encoding.UTF8.GetBytes(text), out name));
        Assert.Equal(text, name.Value);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("a/")]
    [InlineData("/a")]
    [InlineData("a//b")]
    [InlineData("A")]
    [InlineData(".a")]
    [InlineData("a/-b")]
    [InlineData("a b")]
    [InlineData("a\n")]
    [InlineData("ä")]
    [InlineData("a*")]
    public void Anything_else_is_refused(string? text) => Assert.False(KeyName.TryParse(text, out _));

    [Fact]
    public void It_has_at_most_128_characters()
    {
        Assert.True(KeyName.TryParse(new string('a', 128), out _));
        Assert.False(KeyName.TryParse(new string('a', 129), out _));
    }

    [Fact]
    public void Text_and_bytes_are_judged_alike_and_as_grants_judge_patterns() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(
            Gen.Elements("a", "0", "-", "_", ".", "/", "A", "é", " ").ArrayOf().Select(string.Concat).ToArbitrary(), text =>
            {
                var asText = KeyName.TryParse(text, out _);
                Assert.Equal(asText, KeyName.TryParse(Encoding.UTF8.GetBytes(text), out _));
                Assert.Equal(asText, KeyPattern.TryParse(text, out _));
            }));
}
