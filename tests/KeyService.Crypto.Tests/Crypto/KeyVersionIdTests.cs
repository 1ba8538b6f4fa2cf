using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

public sealed class KeyVersionIdTests
{
    [Fact]
    public void The_text_and_the_bytes_are_big_endian()
    {
        var id = new KeyVersionId(0x00f1e2d3c4b5a697);
        var bytes = new byte[8];
        id.WriteTo(bytes);
        Assert.Equal("00f1e2d3c4b5a697", id.ToString());
        Assert.Equal("00f1e2d3c4b5a697", Convert.ToHexStringLower(bytes));
        Assert.Equal(id, KeyVersionId.Read(bytes));
        Assert.True(KeyVersionId.TryParse("00f1e2d3c4b5a697", out KeyVersionId parsed));
        Assert.Equal(id, parsed);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("00f1e2d3c4b5a69")]
    [InlineData("00f1e2d3c4b5a6970")]
    [InlineData("00F1E2D3C4B5A697")]
    [InlineData("0xf1e2d3c4b5a697")]
    [InlineData(" 0f1e2d3c4b5a697")]
    [InlineData("00f1e2d3c4b5a69\uff17")]
    [InlineData("0000000000000000")]
    public void Anything_but_16_lowercase_digits_of_a_number_above_zero_is_refused(string? text) =>
        Assert.False(KeyVersionId.TryParse(text, out _));

    [Fact]
    public void New_ids_differ_and_are_not_zero()
    {
        KeyVersionId[] ids = [.. Enumerable.Range(0, 1000).Select(_ => KeyVersionId.NewRandom())];
        Assert.Equal(1000, ids.Distinct().Count());
        Assert.DoesNotContain(KeyVersionId.None, ids);
    }

    [Theory]
    [InlineData(1UL, 2UL)]
    [InlineData(1UL, 0x8000_0000_0000_0000UL)]
    [InlineData(0x7FFF_FFFF_FFFF_FFFFUL, ulong.MaxValue)]
    public void Ids_are_ordered_as_unsigned_numbers(ulong low, ulong high)
    {
        KeyVersionId less = new(low), more = new(high), same = new(low);
        Assert.True(less < more && !(more < less) && !(less < same));
        Assert.True(more > less && !(less > more) && !(same > less));
        Assert.True(less <= more && !(more <= less) && less <= same);
        Assert.True(more >= less && !(less >= more) && less >= same);
        Assert.True(less.CompareTo(more) < 0 && more.CompareTo(less) > 0 && less.CompareTo(same) == 0);
    }
}
