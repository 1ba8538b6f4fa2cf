using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace KeyService.Server.Keys;

/// <summary>
/// Memory for data keys in the clear on their way between HSM and answer: pinned, so that the collector leaves no copy behind, and zeroed
/// when disposed. Small ones come from a pool of their own, because they are made thousands of times a second.
/// </summary>
internal sealed class PlaintextKeys : IDisposable
{
    /// <summary>Bytes of one data key.</summary>
    public const int KeyLength = 32;

    private const int Pooled = 256;
    private static readonly ConcurrentBag<byte[]> SingleKeys = [];
    private byte[]? _array;
    private readonly int _count;

    /// <summary>Room for <paramref name="count"/> keys, 1 to 1,000.</summary>
    public PlaintextKeys(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, 1000);
        _count = count;
        _array = count == 1 && SingleKeys.TryTake(out var single)
            ? single
            : GC.AllocateUninitializedArray<byte>(count * KeyLength, pinned: true);
    }

    /// <summary>All keys, one after another.</summary>
    public Memory<byte> Memory => _array ?? throw new ObjectDisposedException(nameof(PlaintextKeys));

    /// <summary>The key at <paramref name="index"/>, 32 bytes.</summary>
    public Memory<byte> this[int index] => Memory.Slice(index * KeyLength, KeyLength);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _array, null) is { } array)
        {
            CryptographicOperations.ZeroMemory(array);
            if (_count == 1 && SingleKeys.Count < Pooled)
            {
                SingleKeys.Add(array);
            }
        }
    }
}
