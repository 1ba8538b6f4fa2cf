using System.Text;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>Names that may stand in an archive, both ways, and those that may not.</summary>
public sealed class ContentNameRuleTests
{
    [Theory]
    [InlineData("")]
    [InlineData("dump.sql")]
    [InlineData("Überweisung – 検査 😀.tar")]
    public void A_good_name_comes_back(string name)
    {
        byte[] bytes = ContentNameRule.Encode(name);
        Assert.Equal(Encoding.UTF8.GetBytes(name), bytes);
        Assert.True(ContentNameRule.TryDecode(bytes, out string found));
        Assert.Equal(name, found);
    }

    [Fact]
    public void Up_to_255_bytes_and_no_more()
    {
        byte[] longest = ContentNameRule.Encode(new string('a', 255));
        Assert.True(ContentNameRule.TryDecode(longest, out _));
        Assert.False(ContentNameRule.TryDecode([.. longest, (byte)'a'], out string name));
        Assert.Equal("", name);
        Assert.StartsWith("The content name is longer than 255 bytes of UTF-8.",
            Assert.Throws<ArgumentException>(() => ContentNameRule.Encode(new string('a', 256))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 0xC3 })]
    [InlineData(new byte[] { 0x61, 0xFF })]
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 })]
    [InlineData(new byte[] { 0x61, 0x0A })]
    [InlineData(new byte[] { 0x7F })]
    [InlineData(new byte[] { 0xC2, 0x9B })]
    [InlineData(new byte[] { 0xEF, 0xBF, 0xBD })]
    public void Bytes_that_are_no_name_are_refused(byte[] bytes) => Assert.False(ContentNameRule.TryDecode(bytes, out _));

    [Fact]
    public void A_name_of_half_a_character_or_with_a_control_character_is_refused_in_words()
    {
        Assert.StartsWith("The content name holds an unpaired surrogate.",
            Assert.Throws<ArgumentException>("name", () => ContentNameRule.Encode("a\uD800")).Message, StringComparison.Ordinal);
        foreach (string name in new[] { "a\n", "\u001b[2J", "\uFFFD" })
        {
            Assert.StartsWith("The content name holds a control character or U+FFFD.",
                Assert.Throws<ArgumentException>("name", () => ContentNameRule.Encode(name)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void No_byte_order_mark_is_put_before_a_name() => Assert.Equal((byte)'a', ContentNameRule.Encode("a")[0]);
}
