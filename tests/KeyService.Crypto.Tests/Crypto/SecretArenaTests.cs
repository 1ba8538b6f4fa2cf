using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>The arena's bookkeeping, on a region of the test's own: 4,096 cells of 64 bytes, each given to one at a time.</summary>
public sealed class SecretArenaTests
{
    private const int Cells = 4096;

    [Fact]
    public void A_region_gives_out_every_cell_once_and_then_no_more()
    {
        var region = new SecretRegion();
        Assert.Equal(Enumerable.Range(0, Cells), Enumerable.Range(0, Cells).Select(_ => Take(region, 1)));
        Assert.False(region.TryTake(1, out int none));
        Assert.Equal(-1, none);
        region.GiveBack(77, 1);
        Assert.Equal(77, Take(region, 1));
        Assert.False(region.TryTake(1, out _));
    }

    [Fact]
    public void Neighbouring_cells_are_found_behind_and_before_the_last_place_and_not_across_the_end()
    {
        var region = new SecretRegion();
        Assert.Equal(0, Take(region, Cells - 10));
        Assert.Equal(Cells - 10, Take(region, 4));
        region.GiveBack(Cells - 6 - 4, 4);
        Assert.Equal(Cells - 10, Take(region, 10));
        region.GiveBack(100, 5);
        region.GiveBack(Cells - 3, 3);
        Assert.False(region.TryTake(8, out _), "3 cells at the end and 5 elsewhere are no 8 neighbours.");
        Assert.Equal(100, Take(region, 5));
        Assert.Equal(Cells - 3, Take(region, 3));
        region.GiveBack(0, Cells);
        Assert.Equal(0, Take(region, Cells));
    }

    [Fact]
    public void A_cell_that_was_taken_between_others_is_not_given_again()
    {
        var region = new SecretRegion();
        Take(region, 1);
        int middle = Take(region, 1);
        Take(region, 1);
        region.GiveBack(0, 1);
        region.GiveBack(2, 1);
        Assert.NotEqual(middle, Take(region, 1));
        Assert.True(Take(region, 2) > middle, "Two neighbours were found around a cell that is taken.");
    }

    [Fact]
    public void Cells_are_64_bytes_each_side_by_side()
    {
        var region = new SecretRegion();
        region.Bytes(3, 2).Fill(0xAB);
        Assert.Equal(128, region.Bytes(3, 2).Length);
        Assert.False(region.Bytes(2, 1).ContainsAnyExcept((byte)0));
        Assert.False(region.Bytes(5, 1).ContainsAnyExcept((byte)0));
        Assert.False(region.Bytes(4, 1).ContainsAnyExcept((byte)0xAB));
        Assert.Equal(64, region.Bytes(Cells - 1, 1).Length);
        region.Bytes(0, Cells).Fill(1);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(63, 1)]
    [InlineData(64, 1)]
    [InlineData(65, 2)]
    [InlineData(128, 2)]
    [InlineData(64 * 1024, 1024)]
    public void A_secret_takes_as_many_cells_as_it_needs(int length, int cells)
    {
        SecretArena.Cell cell = SecretArena.Rent(length);
        try
        {
            Assert.Equal(cells, cell.Count);
            Assert.Equal(cells * 64, cell.Span.Length);
        }
        finally
        {
            SecretArena.Return(cell);
        }
    }

    // What a secret leaves behind in its cell, read where it stood: the arena never unmaps.
    [Theory]
    [InlineData(1)]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(200)]
    public unsafe void A_disposed_secret_leaves_zeros_in_all_of_its_cells(int length)
    {
        SecretArena.Cell[] others = [.. Enumerable.Range(0, 64).Select(_ => SecretArena.Rent(256))];
        try
        {
            SecretBuffer secret = SecretBuffer.Random(length);
            ref SecretArena.Cell cell = ref CellOf(secret);
            Span<byte> all = cell.Span;
            all.Fill(0x5A);
            byte* address = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(all));
            secret.Dispose();
            Assert.DoesNotContain((byte)0x5A, new Span<byte>(address, all.Length).ToArray());
        }
        finally
        {
            Array.ForEach(others, SecretArena.Return);
        }
    }

    [Fact]
    public unsafe void Pages_before_and_behind_a_region_may_not_be_touched()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads /proc/self/maps.");
        var region = new SecretRegion();
        ulong start = (ulong)Unsafe.AsPointer(ref MemoryMarshal.GetReference(region.Bytes(0, 1)));
        ulong end = start + (Cells * 64);
        string[] maps = File.ReadAllLines("/proc/self/maps");
        Assert.Contains(maps, line => Bounds(line).End == start && line.Contains("---p", StringComparison.Ordinal));
        Assert.Contains(maps, line => Bounds(line).Start == end && line.Contains("---p", StringComparison.Ordinal));
        string[] facts = [.. File.ReadLines("/proc/self/smaps").SkipWhile(line => !line.StartsWith($"{start:x}-", StringComparison.Ordinal)).TakeWhile(line => !line.StartsWith("VmFlags:", StringComparison.Ordinal))];
        string locked = Assert.Single(facts, line => line.StartsWith("Locked:", StringComparison.Ordinal));
        Assert.Equal(region.IsLocked, locked.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1] != "0");
    }

    [Fact]
    public void A_region_that_was_added_serves_the_next_secrets_too()
    {
        SecretArena.Cell[] cells = [.. Enumerable.Range(0, 12).Select(_ => SecretArena.Rent(64 * 1024))];
        try
        {
            // Four of these fill a region; other tests may hold cells in some.
            Assert.InRange(cells.Select(cell => cell.Region).Distinct().Count(), 3, 6);
        }
        finally
        {
            Array.ForEach(cells, SecretArena.Return);
        }
    }

    [Fact]
    public void Random_secrets_differ_and_the_shortest_and_longest_are_made()
    {
        using SecretBuffer one = SecretBuffer.Random(32), two = SecretBuffer.Random(32), least = new(1), most = new(64 * 1024);
        Assert.False(one.DangerousSpan.SequenceEqual(two.DangerousSpan));
        Assert.Equal((1, 64 * 1024), (least.Length, most.DangerousSpan.Length));
    }

    private static (ulong Start, ulong End) Bounds(string line)
    {
        string[] bounds = line.Split(' ')[0].Split('-');
        return (Convert.ToUInt64(bounds[0], 16), Convert.ToUInt64(bounds[1], 16));
    }

    private static int Take(SecretRegion region, int count)
    {
        Assert.True(region.TryTake(count, out int first), $"No room for {count} cells.");
        return first;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_cell")]
    private static extern ref SecretArena.Cell CellOf(SecretBuffer secret);
}
