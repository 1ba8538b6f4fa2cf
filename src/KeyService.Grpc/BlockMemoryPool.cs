using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace KeyService.Grpc;

/// <summary>
/// Memory pool of the sockets: pinned blocks of <see cref="TransportLimits.PoolBlockBytes"/>, zeroed when they come back,
/// because what passes through them is plaintext and keys.
/// </summary>
/// <remarks>Thread-safe. A bounded number of free blocks is kept; the rest is left to the garbage collector.</remarks>
internal sealed class BlockMemoryPool(int blockBytes, int maxFreeBlocks) : MemoryPool<byte>
{
    private readonly ConcurrentQueue<Block> _free = new();
    private int _freeCount;
    private bool _disposed;

    public override int MaxBufferSize => blockBytes;

    /// <summary>Blocks waiting to be rented.</summary>
    internal int FreeBlocks => Volatile.Read(ref _freeCount);

    /// <param name="minBufferSize">Bytes at least wanted, at most <see cref="MaxBufferSize"/>; -1 is any.</param>
    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, blockBytes);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_free.TryDequeue(out var block))
            return new Block(this, GC.AllocateUninitializedArray<byte>(blockBytes, pinned: true));
        Interlocked.Decrement(ref _freeCount);
        block.MarkRented();
        return block;
    }

    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        while (_free.TryDequeue(out _))
            Interlocked.Decrement(ref _freeCount);
    }

    private void Return(Block block)
    {
        CryptographicOperations.ZeroMemory(block.Bytes);
        if (Interlocked.Increment(ref _freeCount) > maxFreeBlocks || _disposed)
        {
            Interlocked.Decrement(ref _freeCount);
            return;
        }
        _free.Enqueue(block);
    }

    private sealed class Block(BlockMemoryPool pool, byte[] bytes) : IMemoryOwner<byte>
    {
        private int _rented = 1;

        public byte[] Bytes => bytes;

        public Memory<byte> Memory => bytes;

        public void MarkRented() => _rented = 1;

        public void Dispose()
        {
            // A block returned twice would be handed to two connections.
            if (Interlocked.Exchange(ref _rented, 0) == 1)
                pool.Return(this);
        }
    }
}
