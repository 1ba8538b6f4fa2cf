using FsCheck;
using FsCheck.Fluent;
using KeyService.Server.Audit.Search;

namespace KeyService.Tests.Audit.Search;

public sealed class PostingsTests
{
    [Fact]
    public void What_was_added_comes_back_from_the_last_to_the_first_and_as_the_same_bytes() => Check.One(
        Config.QuickThrowOnFailure,
        Prop.ForAll(Gen.Choose(0, AuditIndex.SegmentSize - 1).NonEmptyListOf().ToArbitrary(), offsets => ComesBack(offsets)));

    [Theory]
    [InlineData(1)]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(AuditIndex.SegmentSize)]
    public void Few_are_listed_and_many_are_bits(int count)
    {
        var offsets = Enumerable.Range(0, count).ToList();
        Assert.True(ComesBack(offsets));
        Assert.Equal(count < 1024 ? 2 * count : 2048, Of(offsets).Encode().Length);
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("00000000")]
    [InlineData("00010000")]
    [InlineData("4000")]
    [InlineData("ffff")]
    public void What_is_never_written_is_refused(string hexadecimal) => Assert.False(Postings.TryParse(Convert.FromHexString(hexadecimal), out _));

    [Fact]
    public void Bits_for_few_and_a_list_for_many_are_refused()
    {
        Assert.False(Postings.TryParse(new byte[2048], out _));
        Assert.False(Postings.TryParse(new byte[2050], out _));
    }

    [Fact]
    public void Both_and_one_of_them()
    {
        var both = Of([1, 2, 3]);
        both.And(Of([2, 3, 4]));
        Assert.Equal([3, 2], both.Descending());
        both.Or(Of([16_383]));
        Assert.Equal([16_383, 3, 2], both.Descending());
        both.And(Postings.All());
        Assert.Equal(3, both.Count);
    }

    private static bool ComesBack(IEnumerable<int> offsets)
    {
        var bytes = Of(offsets).Encode();
        Assert.True(Postings.TryParse(bytes, out var parsed));
        Assert.Equal(offsets.Distinct().OrderDescending(), parsed.Descending());
        Assert.Equal(bytes, parsed.Encode());
        return true;
    }

    private static Postings Of(IEnumerable<int> offsets)
    {
        var postings = new Postings();
        foreach (var offset in offsets)
        {
            postings.Add(offset);
        }

        return postings;
    }
}
