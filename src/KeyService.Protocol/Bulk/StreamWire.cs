using System.Buffers;
using Grpc.Core;

namespace KeyService.Protocol.Bulk;

/// <summary>The wire form common to the four stream messages: one alternative of a oneof, length-delimited.</summary>
internal static class StreamWire
{
    /// <summary>Field numbers of the requests.</summary>
    public const int Start = 1, RequestData = 2, Finish = 3;

    /// <summary>Field numbers of the answers.</summary>
    public const int ResponseData = 1, Summary = 2;

    /// <summary>Tag and length before the data; unknown fields of a later client have some room as well.</summary>
    public const int HeaderRoom = 1024;

    /// <summary>Tag and longest length of a plain data message.</summary>
    private const int HeaderLength = 11;

    /// <summary>
    /// Recognises a message that is one data field and nothing else, as every client and the service send it: then only the data is copied,
    /// and a piece of 1 MiB takes a buffer of 1 MiB, not the next larger one.
    /// </summary>
    public static bool TryReadPlainData(in ReadOnlySequence<byte> message, int fieldNumber, out ReadOnlySequence<byte> data)
    {
        data = default;
        Span<byte> start = stackalloc byte[(int)Math.Min(message.Length, HeaderLength)];
        message.Slice(0, start.Length).CopyTo(start);
        var reader = new WireReader(start, 0, start.Length);
        if (reader.ReadTag() != FieldNumbers.Tag(fieldNumber))
        {
            return false;
        }

        var length = reader.ReadVarint();
        if (reader.Failed || length > (ulong)message.Length || 1 + WireWriter.VarintLength(length) + (long)length != message.Length)
        {
            return false;
        }

        data = message.Slice(message.Length - (long)length);
        return true;
    }

    /// <summary>Finds the alternative that counts, the last. Number 0 when there is none, -1 when the bytes are no message.</summary>
    public static bool TryFindAlternative(ReadOnlySpan<byte> message, int highest, out int number, out Range32 place)
    {
        number = 0;
        place = default;
        var reader = new WireReader(message, 0, message.Length);
        while (reader.ReadTag() is var tag and not 0)
        {
            if ((tag & 7) == 2 && tag >> 3 <= highest)
            {
                number = (int)(tag >> 3);
                place = reader.ReadDelimited();
            }
            else
            {
                reader.Skip(tag);
            }
        }

        if (reader.Failed)
        {
            number = -1;
        }

        return !reader.Failed;
    }

    /// <summary>Writes one alternative straight into the transport's memory.</summary>
    public static void Write(SerializationContext context, int fieldNumber, ReadOnlySpan<byte> value)
    {
        var length = WireWriter.FieldLength(value.Length);
        context.SetPayloadLength(length);
        var output = context.GetBufferWriter();
        var header = new WireWriter(output.GetSpan(16));
        header.WriteHeader(fieldNumber, value.Length);
        output.Advance(header.Position);
        output.Write(value);
        context.Complete();
    }
}
