using System.Runtime.ExceptionServices;
using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// One segment on its way through the pipeline. Files are read and written by synchronous calls on the worker's own thread: the
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

    /// <summary>Whether the input ended with this segment, which a full one never shows.</summary>
    public bool IsLast { get; private set; }

    public async ValueTask FillAsync(Stream input, long number, CancellationToken cancellationToken)
    {
        Number = number;
        InputLength = input is FileStream { IsAsync: false }
            ? input.ReadAtLeast(_input, _input.Length, throwOnEndOfStream: false)
            : await input.ReadAtLeastAsync(_input, _input.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        IsLast = InputLength < _input.Length;
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
            return output.WriteAsync(_output.AsMemory(0, OutputLength), cancellationToken);
        }

        output.Write(_output, 0, OutputLength);
        return ValueTask.CompletedTask;
    }

    /// <summary>Zeroes what it held.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_input);
        CryptographicOperations.ZeroMemory(_output);
    }
}
