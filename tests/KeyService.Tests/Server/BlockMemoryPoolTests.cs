using System.Buffers;
using KeyService.Grpc;

namespace KeyService.Tests.Server;

public sealed class BlockMemoryPoolTests
{
    private const int Block = 4096;
    private const int Kept = 3;

    [Fact]
    public void A_block_that_came_back_is_handed_out_again_and_holds_nothing_of_before()
    {
        using var pool = new BlockMemoryPool(Block, Kept);
        var first = pool.Rent();
        first.Memory.Span.Fill(0xA5);
        var memory = first.Memory;
        first.Dispose();
        Assert.Equal(-1, memory.Span.IndexOfAnyExcept((byte)0));
        using var second = pool.Rent();
        Assert.True(memory.Equals(second.Memory));
    }

    [Fact]
    public void A_block_returned_twice_is_not_handed_to_two()
    {
        using var pool = new BlockMemoryPool(Block, Kept);
        var block = pool.Rent();
        block.Dispose();
        block.Dispose();
        Assert.Equal(1, pool.FreeBlocks);
    }

    [Fact]
    public void Only_so_many_free_blocks_are_kept()
    {
        using var pool = new BlockMemoryPool(Block, Kept);
        var rented = Enumerable.Range(0, 10).Select(_ => pool.Rent()).ToList();
        Assert.Equal(10, rented.Select(block => block.Memory).Distinct().Count());
        rented.ForEach(block => block.Dispose());
        Assert.Equal(Kept, pool.FreeBlocks);
    }

    [Fact]
    public void A_block_is_as_large_as_said_and_more_is_refused()
    {
        using var pool = new BlockMemoryPool(Block, Kept);
        Assert.Equal(Block, pool.MaxBufferSize);
        using var block = pool.Rent(Block);
        Assert.Equal(Block, block.Memory.Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Rent(Block + 1));
    }

    [Fact]
    public void A_block_that_comes_back_after_the_end_is_zeroed_and_dropped()
    {
        IMemoryOwner<byte> block;
        BlockMemoryPool pool;
        using (pool = new BlockMemoryPool(Block, Kept))
        {
            block = pool.Rent();
            block.Memory.Span.Fill(1);
        }
        var memory = block.Memory;
        block.Dispose();
        Assert.Equal((-1, 0), (memory.Span.IndexOfAnyExcept((byte)0), pool.FreeBlocks));
    }

    [Fact]
    public void What_one_queue_gave_back_another_takes_also_after_the_first_ended()
    {
        using var factory = new BlockMemoryPoolFactory();
        using var other = factory.Create();
        Memory<byte> memory;
        using (var first = factory.Create())
        {
            using var block = first.Rent();
            memory = block.Memory;
        }
        using var again = other.Rent();
        Assert.True(memory.Equals(again.Memory));
    }

    [Fact]
    public void The_transport_has_blocks_of_256_KiB()
    {
        using var factory = new BlockMemoryPoolFactory();
        using var pool = factory.Create();
        Assert.Equal(256 * 1024, pool.MaxBufferSize);
    }
}
