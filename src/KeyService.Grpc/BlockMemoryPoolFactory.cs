using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace KeyService.Grpc;

/// <summary>Gives Kestrel <see cref="BlockMemoryPool"/>s instead of its pools of 4 KiB blocks.</summary>
internal sealed class BlockMemoryPoolFactory : IMemoryPoolFactory<byte>
{
    /// <summary>Free blocks one pool keeps: 16 MiB.</summary>
    private const int MaxFreeBlocks = 64;

    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new BlockMemoryPool(TransportLimits.PoolBlockBytes, MaxFreeBlocks);
}
