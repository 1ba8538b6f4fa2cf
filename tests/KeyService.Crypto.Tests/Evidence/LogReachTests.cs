using KeyService.Crypto.Evidence;

namespace KeyService.Tests.Evidence;

/// <summary>docs/spec/evidence-pack.md.</summary>
public sealed class LogReachTests
{
    private const string Example = "slot,start,size\n0,512,1837\n3,0,1\n";

    [Fact]
    public void The_specifications_example_is_made_and_read()
    {
        Assert.Equal(Example, new LogReach([new SlotReach(3, 0, 1), new SlotReach(0, 512, 1837)]).ToString());
        Assert.True(LogReach.TryParse(Example, out LogReach? reach));
        Assert.Equal([new SlotReach(0, 512, 1837), new SlotReach(3, 0, 1)], reach!.Slots);
        Assert.True(LogReach.TryParse("slot,start,size\n", out _));
    }

    [Theory]
    [InlineData("0,512,1837\n3,0,1", "3,0,1\n0,512,1837")]
    [InlineData("0,512,1837", "3,512,1837")]
    [InlineData("512", "511")]
    [InlineData("512", "2048")]
    [InlineData("512", "0512")]
    [InlineData("512", "-256")]
    [InlineData("3,0,1", "3,0,0")]
    [InlineData("3,0,1", "3,0,1,1")]
    [InlineData("3,0,1", "4294967296,0,1")]
    [InlineData("3,0,1", "3,0,9223372036854775808")]
    [InlineData("3,0,1\n", "3,0,1")]
    [InlineData("slot,start,size\n", "")]
    [InlineData("\n", "\r\n")]
    [InlineData("1837", "1837 ")]
    public void Every_other_text_is_refused(string from, string to) => Assert.False(LogReach.TryParse(Example.Replace(from, to, StringComparison.Ordinal), out _));

    [Fact]
    public void What_has_no_form_is_not_made()
    {
        Assert.Throws<ArgumentException>(() => new LogReach([new SlotReach(0, 0, 1), new SlotReach(0, 0, 1)]));
        Assert.Throws<ArgumentException>(() => new LogReach([new SlotReach(0, 256, 255)]));
        Assert.Throws<ArgumentException>(() => new LogReach(Enumerable.Range(0, LogReach.MaxSlots + 1).Select(slot => new SlotReach((uint)slot, 0, 1))));
        Assert.True(LogReach.TryParse(new LogReach([new SlotReach(0, 256, 256)]).ToString(), out _));
        Assert.True(new LogReach(Enumerable.Range(0, LogReach.MaxSlots).Select(slot => new SlotReach(uint.MaxValue - (uint)slot, long.MaxValue / 256 * 256, long.MaxValue))).ToString().Length <= LogReach.MaxLength);
    }
}
