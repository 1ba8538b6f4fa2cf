using KeyService.Crypto;
using KeyService.Crypto.Logs;
using KeyService.Server.Audit;

namespace KeyService.Tests.Audit;

public sealed class MerkleFrontierTests
{
    // The leaves and roots that implementations of RFC 6962 test each other with.
    private static readonly string[] Leaves =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

    private static readonly string[] Roots =
    [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    [Fact]
    public void Roots_are_those_of_RFC_6962()
    {
        var frontier = new MerkleFrontier();
        for (var size = 0; size <= Leaves.Length; size++)
        {
            Assert.Equal(size, frontier.Size);
            Assert.Equal(Roots[size], Convert.ToHexStringLower(frontier.Root()));
            if (size < Leaves.Length)
            {
                frontier.Append(AuditRecord.LeafHash(Convert.FromHexString(Leaves[size])));
            }
        }
    }

    [Fact]
    public void What_was_written_is_read_back_and_grows_on_the_same()
    {
        var whole = new MerkleFrontier();
        for (var size = 0; size < 70; size++)
        {
            Assert.True(MerkleFrontier.TryParse(size, whole.ToArray(), out var restored));
            Assert.Equal(whole.Root(), restored.Root());
            restored.Append(Leaf(size));
            whole.Append(Leaf(size));
            Assert.Equal(whole.ToArray(), restored.ToArray());
        }
    }

    [Fact]
    public void Bytes_that_are_not_those_of_the_size_are_refused()
    {
        Assert.False(MerkleFrontier.TryParse(3, new byte[32], out _));
        Assert.False(MerkleFrontier.TryParse(3, new byte[65], out _));
        Assert.False(MerkleFrontier.TryParse(4, new byte[64], out _));
        Assert.False(MerkleFrontier.TryParse(0, new byte[32], out _));
        Assert.False(MerkleFrontier.TryParse(-1, new byte[64 * 32], out _));
    }

    private static byte[] Leaf(int number) => AuditRecord.LeafHash(BitConverter.GetBytes(number));
}
