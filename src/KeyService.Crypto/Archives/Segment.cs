using System.Runtime.ExceptionServices;
using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// One segment on its way through a pipeline or a stream. Files are read and written by synchronous calls on the worker's own thread: the
/// asynchronous ones would hop to another, away from the cache that holds the bytes.
/// </summary>
internal sealed class Segment(int inputLength, int outputLength) : IDisposable
{
    // Pinned arrays: native code gets them without pinning each time, and the collector never copies plaintext.
    private readonly byte[] _input = GC.AllocateUninitializedArray<byte>(inputLength, pinned: true);
    private readonly byte[] _output = GC.AllocateUninitializedArray<byte>(outputLength, pinned: true);
    private ArchiveException? _failure;

    public long Number { get; private set; }

    public int InputLength { get; private set; }

    public int OutputLength { get; private set; }

    /// <summary>What <see cref="Transform"/> made.</summary>
    public ReadOnlyMemory<byte> Output => _output.AsMemory(0, OutputLength);

    /// <summary>Whether no more input fits in.</summary>
    public bool IsFull => InputLength == _input.Length;

    /// <summary>Whether the input ended with this segment, which a full one never shows.</summary>
    public bool IsLast { get; private set; }

    /// <summary>Empties the segment for its next use.</summary>
    public void Begin(long number)
    {
        Number = number;
        InputLength = 0;
        IsLast = false;
    }

    /// <summary>Takes as much as fits.</summary>
    /// <returns>Bytes taken.</returns>
    public int Append(ReadOnlySpan<byte> input)
    {
        int take = Math.Min(input.Length, _input.Length - InputLength);
        input[..take].CopyTo(_input.AsSpan(InputLength));
        InputLength += take;
        return take;
    }

    /// <summary>Says that the input ends with what is in here; a full segment has to be followed by an empty one instead.</summary>
    public void MarkLast() => IsLast = !IsFull ? true : throw new InvalidOperationException("A full segment cannot be the last.");

    public ValueTask FillAsync(Stream input, long number, CancellationToken cancellationToken)
    {
        Begin(number);
        return FillAsync(input, cancellationToken);
    }

    /// <summary>Goes on filling from the input until full or at its end. A cancelled read loses nothing: the next call goes on behind what came.</summary>
    public ValueTask FillAsync(Stream input, CancellationToken cancellationToken)
    {
        if (input is not FileStream { IsAsync: false })
        {
            return FillSlowlyAsync(input, cancellationToken);
        }

        Fill(input);
        return ValueTask.CompletedTask;
    }

    /// <summary>The same, by synchronous reads.</summary>
    public void Fill(Stream input)
    {
        while (!IsFull && !IsLast)
        {
            int read = input.Read(_input, InputLength, _input.Length - InputLength);
            InputLength += read;
            IsLast = read == 0;
        }
    }

    private async ValueTask FillSlowlyAsync(Stream input, CancellationToken cancellationToken)
    {
        while (!IsFull && !IsLast)
        {
            int read = await input.ReadAsync(_input.AsMemory(InputLength), cancellationToken).ConfigureAwait(false);
            InputLength += read;
            IsLast = read == 0;
        }
    }

    public void Transform(SegmentCipher cipher)
    {
        _failure = null;
        OutputLength = 0;
        try
        {
            OutputLength = cipher.Transform(
                (ulong)Number * SegmentCipher.ChunksPerSegment, _input.AsSpan(0, InputLength), IsLast, _output);
        }
        catch (ArchiveException e)
        {
            _failure = e;
        }
    }

    public void ThrowIfFailed()
    {
        if (_failure is not null)
        {
            ExceptionDispatchInfo.Throw(_failure);
        }
    }

    public ValueTask WriteAsync(Stream output, CancellationToken cancellationToken)
    {
        if (output is not FileStream { IsAsync: false })
        {
            return output.WriteAsync(Output, cancellationToken);
        }

        Write(output);
        return ValueTask.CompletedTask;
    }

    public void Write(Stream output) => output.Write(_output, 0, OutputLength);

    /// <summary>Zeroes what it held.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_input);
        CryptographicOperations.ZeroMemory(_output);
    }
}
