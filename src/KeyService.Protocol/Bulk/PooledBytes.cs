using System.Buffers;
using System.Security.Cryptography;

namespace KeyService.Protocol.Bulk;

/// <summary>
/// A rented array that may hold patient data: what was used of it is zeroed before the pool gets it back.
/// The finalizer zeroes as well, for the message that a refused or cancelled call never handed to its handler.
/// </summary>
public sealed class PooledBytes : IDisposable
{
    private byte[]? _array;

    /// <summary>Rents room for <paramref name="length"/> bytes; its content is undefined.</summary>
    public PooledBytes(int length)
    {
        _array = ArrayPool<byte>.Shared.Rent(length);
        Length = length;
    }

    ~PooledBytes() => Zero(_array);

    /// <summary>Bytes in use; may be lowered when less was written than reserved.</summary>
    public int Length { get; private set; }

    public Span<byte> Span => Array.AsSpan(0, Length);

    public Memory<byte> Memory => Array.AsMemory(0, Length);

    internal byte[] Array => _array ?? throw new ObjectDisposedException(nameof(PooledBytes));

    /// <summary>Copies a received message, which the transport takes back as soon as it is parsed.</summary>
    public static PooledBytes CopyOf(in ReadOnlySequence<byte> bytes)
    {
        var copy = new PooledBytes(checked((int)bytes.Length));
        bytes.CopyTo(copy.Span);
        return copy;
    }

    /// <summary>Gives up the end of the buffer, zeroing it.</summary>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Span[length..].Clear();
        Length = length;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _array, null) is { } array)
        {
            Zero(array);
            ArrayPool<byte>.Shared.Return(array);
        }

        GC.SuppressFinalize(this);
    }

    private void Zero(byte[]? array) => CryptographicOperations.ZeroMemory(array.AsSpan(0, array is null ? 0 : Length));
}
