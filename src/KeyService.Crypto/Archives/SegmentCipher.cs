namespace KeyService.Crypto.Archives;

/// <summary>What a worker of the pipeline does with one segment of 64 chunks. One instance a worker.</summary>
internal abstract class SegmentCipher : IDisposable
{
    public const int ChunksPerSegment = 64;

    /// <summary>Plaintext bytes of a full segment: 1 MiB.</summary>
    public const int PlaintextLength = ChunksPerSegment * ArchiveFormat.ChunkLength;

    /// <summary>Archive bytes of a full segment.</summary>
    public const int SealedLength = ChunksPerSegment * ArchiveFormat.SealedChunkLength;

    protected SegmentCipher(MessageKeys keys) => Chunks = new ChunkCipher(keys);

    protected ChunkCipher Chunks { get; }

    /// <param name="firstChunk">Number of the segment's first chunk.</param>
    /// <param name="input">A full segment, or less when it is the last.</param>
    /// <param name="last">Whether the input ends with this segment.</param>
    /// <param name="output">Room for a full segment.</param>
    /// <returns>Bytes of output.</returns>
    public abstract int Transform(ulong firstChunk, ReadOnlySpan<byte> input, bool last, Span<byte> output);

    public void Dispose() => Chunks.Dispose();
}

/// <summary>Plaintext to chunks.</summary>
internal sealed class SegmentSealer(MessageKeys keys) : SegmentCipher(keys)
{
    public override int Transform(ulong firstChunk, ReadOnlySpan<byte> input, bool last, Span<byte> output)
    {
        int written = 0;
        for (; input.Length >= ArchiveFormat.ChunkLength; input = input[ArchiveFormat.ChunkLength..])
        {
            Chunks.Seal(firstChunk++, input[..ArchiveFormat.ChunkLength], output[written..]);
            written += ArchiveFormat.SealedChunkLength;
        }

        if (last)
        {
            Chunks.Seal(firstChunk, input, output[written..]);
            written += input.Length + ArchiveFormat.TagLength;
        }

        return written;
    }
}

/// <summary>Chunks to plaintext; all of the segment verifies or none of it is released.</summary>
internal sealed class SegmentOpener(MessageKeys keys) : SegmentCipher(keys)
{
    public override int Transform(ulong firstChunk, ReadOnlySpan<byte> input, bool last, Span<byte> output)
    {
        if (last && input.Length % ArchiveFormat.SealedChunkLength < ArchiveFormat.TagLength)
        {
            throw ArchiveException.Truncated("its payload");
        }

        int written = 0;
        while (!input.IsEmpty)
        {
            int length = Math.Min(input.Length, ArchiveFormat.SealedChunkLength);
            if (!Chunks.Open(firstChunk++, input[..length], output[written..]))
            {
                throw ArchiveException.VerificationFailed();
            }

            input = input[length..];
            written += length - ArchiveFormat.TagLength;
        }

        return written;
    }
}
