using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>
/// A secret of fixed size outside the managed heap: the collector never copies it, and on Linux it is locked in memory and left out of
/// core dumps (<see cref="SecretArena"/>). Zeroed when disposed of. It does not print itself.
/// </summary>
/// <remarks>
/// There is no finalizer, on purpose: it could zero the bytes while somebody still computes with the span of an object that is otherwise
/// unreachable, and an all-zero key encrypts without complaint. A buffer that is never disposed of keeps its cell until the process ends.
/// Not safe against disposing on one thread while another reads.
/// </remarks>
public sealed class SecretBuffer : IDisposable
{
    private SecretArena.Cell _cell;
    private int _disposed;

    /// <summary>A buffer of zeros.</summary>
    /// <param name="length">1 byte to 64 KiB.</param>
    public SecretBuffer(int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, SecretArena.MaxLength);
        _cell = SecretArena.Rent(length);
        Length = length;
    }

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <summary>The secret itself. Do not copy it to the managed heap, and keep the buffer undisposed while the span is used.</summary>
    /// <exception cref="ObjectDisposedException">The secret is gone.</exception>
    public Span<byte> DangerousSpan
    {
        get
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
            return _cell.Span[..Length];
        }
    }

    /// <summary>A buffer with the same bytes. The caller zeroes the source.</summary>
    public static SecretBuffer CopyOf(ReadOnlySpan<byte> source)
    {
        var buffer = new SecretBuffer(source.Length);
        source.CopyTo(buffer.DangerousSpan);
        return buffer;
    }

    /// <summary>A buffer of random bytes from the system.</summary>
    public static SecretBuffer Random(int length)
    {
        var buffer = new SecretBuffer(length);
        RandomNumberGenerator.Fill(buffer.DangerousSpan);
        return buffer;
    }

    /// <summary>Zeroes the secret and gives its memory back.</summary>
    public void Dispose()
    {
        // Exactly once, whoever comes first: a cell given back twice would belong to two secrets.
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }
        CryptographicOperations.ZeroMemory(_cell.Span);
        SecretArena.Return(_cell);
        _cell = default;
    }

    /// <summary>The length only.</summary>
    public override string ToString() => $"SecretBuffer({Length})";
}
