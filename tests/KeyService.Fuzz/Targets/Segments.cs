using System.Buffers;

namespace KeyService.Fuzz.Targets;

/// <summary>Bytes as a transport hands them over: in several pieces of memory.</summary>
internal sealed class Segments : ReadOnlySequenceSegment<byte>
{
    /// <summary>Pieces whose size follows from the length, so that many places of a cut are met.</summary>
    public static ReadOnlySequence<byte> Of(byte[] bytes)
    {
        int size = 1 + (bytes.Length % 29);
        Segments first = new(), last = first;
        for (int at = 0; at < bytes.Length; at += size)
        {
            var next = new Segments { Memory = bytes.AsMemory(at, Math.Min(size, bytes.Length - at)), RunningIndex = at };
            last.Next = next;
            last = next;
        }
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }
}
