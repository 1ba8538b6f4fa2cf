using System.Buffers;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.Protocol.Bulk;

/// <summary>EncryptStreamResponse and DecryptStreamResponse, which have the same shape: data or the summary.</summary>
public sealed class StreamResponse : IDisposable
{
    private readonly PooledBytes? _message;

    private StreamResponse(StreamMessageKind kind, ReadOnlyMemory<byte> data = default, StreamSummary? summary = null,
        PooledBytes? message = null)
    {
        Kind = kind;
        Data = data;
        Summary = summary;
        _message = message;
    }

    public StreamMessageKind Kind { get; }

    /// <summary>Empty unless <see cref="Kind"/> is Data. On an answer that was read it is valid until disposed.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>Present when <see cref="Kind"/> is Summary.</summary>
    public StreamSummary? Summary { get; }

    /// <summary>An answer over the caller's memory, which must not change until the write has completed.</summary>
    public static StreamResponse OfData(ReadOnlyMemory<byte> data) => new(StreamMessageKind.Data, data);

    public static StreamResponse OfSummary(StreamSummary summary) => new(StreamMessageKind.Summary, summary: summary);

    /// <summary>Reads an answer; never throws, see <see cref="StreamMessageKind.Malformed"/>.</summary>
    public static StreamResponse Read(in ReadOnlySequence<byte> bytes)
    {
        if (StreamWire.TryReadPlainData(bytes, StreamWire.ResponseData, out var data))
        {
            var piece = PooledBytes.CopyOf(data);
            return new(StreamMessageKind.Data, piece.Memory, message: piece);
        }

        var message = PooledBytes.CopyOf(bytes);
        if (StreamWire.TryFindAlternative(message.Span, highest: StreamWire.Summary, out var number, out var place)
            && number == StreamWire.ResponseData)
        {
            return new(StreamMessageKind.Data, message.Memory.Slice(place.Start, place.Length), message: message);
        }

        using (message)
        {
            try
            {
                return number == StreamWire.Summary
                    ? OfSummary(StreamSummary.Parser.ParseFrom(place.Of(message.Span)))
                    : new(number == 0 ? StreamMessageKind.None : StreamMessageKind.Malformed);
            }
            catch (InvalidProtocolBufferException)
            {
                return new(StreamMessageKind.Malformed);
            }
        }
    }

    internal void Write(SerializationContext context)
    {
        switch (Kind)
        {
            case StreamMessageKind.Data:
                StreamWire.Write(context, StreamWire.ResponseData, Data.Span);
                break;
            case StreamMessageKind.Summary:
                StreamWire.Write(context, StreamWire.Summary, Summary!.ToByteArray());
                break;
            default:
                throw new InvalidOperationException($"A message of kind {Kind} is not sent.");
        }
    }

    public void Dispose() => _message?.Dispose();
}
