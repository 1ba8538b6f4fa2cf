using System.Buffers;

namespace KeyService.Tests.Archives;

/// <summary>A sequence of many segments, as a network gives it.</summary>
internal sealed class Pieces : ReadOnlySequenceSegment<byte>
{
    private Pieces(ReadOnlyMemory<byte> memory, long index)
    {
        Memory = memory;
        RunningIndex = index;
    }

    public static ReadOnlySequence<byte> Of(ReadOnlyMemory<byte> bytes, int length)
    {
        var first = new Pieces(bytes[..Math.Min(length, bytes.Length)], 0);
        Pieces last = first;
        for (int at = length; at < bytes.Length; at += length)
        {
            var next = new Pieces(bytes.Slice(at, Math.Min(length, bytes.Length - at)), at);
            last.Next = next;
            last = next;
        }

        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }
}
