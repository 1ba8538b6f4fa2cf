using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace KeyService.Grpc;

/// <summary>
/// Gives Kestrel <see cref="BlockMemoryPool"/>'s blocks instead of its own of 4 KiB. Kestrel asks for a pool for each listener and each of its
/// queues; all of them take from one, or each would keep the blocks of its own busiest moment (docs/adr/0091).
/// </summary>
internal sealed class BlockMemoryPoolFactory : IMemoryPoolFactory<byte>, IDisposable
{
    /// <summary>
    /// Free blocks kept, 80 MiB: as many as 64 calls and 32 streams have at once. Blocks beyond are garbage, and pinned garbage stays until a
    /// full collection.
    /// </summary>
    private const int MaxFreeBlocks = 320;

    private readonly BlockMemoryPool _blocks = new(TransportLimits.PoolBlockBytes, MaxFreeBlocks);

    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new SharedBlocks(_blocks);

    public void Dispose() => _blocks.Dispose();

    private sealed class SharedBlocks(BlockMemoryPool blocks) : MemoryPool<byte>
    {
        public override int MaxBufferSize => blocks.MaxBufferSize;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1) => blocks.Rent(minBufferSize);

        // The blocks are the others' too; free ones hold zeros only.
        protected override void Dispose(bool disposing)
        {
        }
    }
}
