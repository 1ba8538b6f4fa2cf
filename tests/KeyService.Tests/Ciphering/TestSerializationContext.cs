using System.Buffers;
using Grpc.Core;

namespace KeyService.Tests.Ciphering;

/// <summary>Stands where the gRPC library stands: collects what a marshaller writes.</summary>
internal sealed class TestSerializationContext : SerializationContext
{
    private readonly ArrayBufferWriter<byte> _output = new();
    private int? _announced;

    public static byte[] Serialize<T>(Marshaller<T> marshaller, T message)
    {
        var context = new TestSerializationContext();
        marshaller.ContextualSerializer(message, context);
        var bytes = context._output.WrittenSpan.ToArray();
        Assert.Equal(context._announced, bytes.Length);
        return bytes;
    }

    public override void SetPayloadLength(int payloadLength) => _announced = payloadLength;

    public override IBufferWriter<byte> GetBufferWriter() => _output;

    public override void Complete()
    {
    }
}

/// <summary>Hands a marshaller a message in segments of a given size.</summary>
internal sealed class TestDeserializationContext(byte[] message, int segmentLength) : DeserializationContext
{
    public override int PayloadLength => message.Length;

    public static T Deserialize<T>(Marshaller<T> marshaller, byte[] message, int segmentLength = int.MaxValue) =>
        marshaller.ContextualDeserializer(new TestDeserializationContext(message, segmentLength));

    public override byte[] PayloadAsNewBuffer() => message;

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => Segments.Of(message, segmentLength);
}

internal sealed class Segments : ReadOnlySequenceSegment<byte>
{
    public static ReadOnlySequence<byte> Of(byte[] bytes, int segmentLength)
    {
        if (bytes.Length <= segmentLength)
        {
            return new ReadOnlySequence<byte>(bytes);
        }

        Segments? first = null, last = null;
        for (var start = 0; start < bytes.Length; start += segmentLength)
        {
            var next = new Segments
            {
                Memory = bytes.AsMemory(start, Math.Min(segmentLength, bytes.Length - start)),
                RunningIndex = start,
            };
            first ??= next;
            if (last is not null)
            {
                last.Next = next;
            }

            last = next;
        }

        return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);
    }
}
