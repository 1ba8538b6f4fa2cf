using System.Buffers;
using Google.Protobuf;
using Grpc.Core;

namespace KeyService.Protocol.Bulk;

/// <summary>EncryptStreamRequest or DecryptStreamRequest: data in pooled memory, everything else in its generated class.</summary>
/// <typeparam name="TStart">EncryptStreamStart or DecryptStreamStart.</typeparam>
public sealed class StreamRequest<TStart> : IDisposable
    where TStart : class, IMessage<TStart>, new()
{
    private static readonly MessageParser<TStart> StartParser = new(() => new TStart());
    private readonly PooledBytes? _message;

    private StreamRequest(StreamMessageKind kind, TStart? start = null, ReadOnlyMemory<byte> data = default, PooledBytes? message = null)
    {
        Kind = kind;
        Start = start;
        Data = data;
        _message = message;
    }

    public StreamMessageKind Kind { get; }

    /// <summary>Whether <see cref="DirectData.Taker"/> had the data when the message was read; <see cref="Data"/> is empty then.</summary>
    public bool WasTaken { get; private init; }

    /// <summary>Present when <see cref="Kind"/> is Start.</summary>
    public TStart? Start { get; }

    /// <summary>Empty unless <see cref="Kind"/> is Data. Of a request that was read it is valid until disposed.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    public static StreamRequest<TStart> OfStart(TStart start) => new(StreamMessageKind.Start, start);

    /// <summary>A piece over the caller's memory, which must not change until the write has completed: it is copied once, into what is sent.</summary>
    public static StreamRequest<TStart> OfData(ReadOnlyMemory<byte> data) => new(StreamMessageKind.Data, data: data);

    public static StreamRequest<TStart> OfFinish() => new(StreamMessageKind.Finish);

    /// <summary>Reads a message; never throws, see <see cref="StreamMessageKind.Malformed"/>.</summary>
    public static StreamRequest<TStart> Read(in ReadOnlySequence<byte> bytes)
    {
        if (bytes.Length > BulkLimits.MaxPieceLength + StreamWire.HeaderRoom)
        {
            return new(StreamMessageKind.TooLarge);
        }

        if (StreamWire.TryReadPlainData(bytes, StreamWire.RequestData, out var data))
        {
            if (data.Length > BulkLimits.MaxPieceLength)
            {
                return new(StreamMessageKind.TooLarge);
            }

            if (DirectData.Taker is { } taker && !data.IsEmpty)
            {
                taker(data);
                return new(StreamMessageKind.Data) { WasTaken = true };
            }

            var piece = PooledBytes.CopyOf(data);
            return new(StreamMessageKind.Data, data: piece.Memory, message: piece);
        }

        var message = PooledBytes.CopyOf(bytes);
        var request = Read(message);
        if (request.Kind != StreamMessageKind.Data)
        {
            message.Dispose();
        }

        return request;
    }

    internal void Write(SerializationContext context)
    {
        switch (Kind)
        {
            case StreamMessageKind.Start:
                StreamWire.Write(context, StreamWire.Start, Start!.ToByteArray());
                break;
            case StreamMessageKind.Data:
                StreamWire.Write(context, StreamWire.RequestData, Data.Span);
                break;
            case StreamMessageKind.Finish:
                StreamWire.Write(context, StreamWire.Finish, []);
                break;
            default:
                throw new InvalidOperationException($"A message of kind {Kind} is not sent.");
        }
    }

    public void Dispose() => _message?.Dispose();

    private static StreamRequest<TStart> Read(PooledBytes message)
    {
        if (!StreamWire.TryFindAlternative(message.Span, highest: StreamWire.Finish, out var number, out var place))
        {
            return new(StreamMessageKind.Malformed);
        }

        switch (number)
        {
            case StreamWire.Start:
                try
                {
                    return OfStart(StartParser.ParseFrom(place.Of(message.Span)));
                }
                catch (InvalidProtocolBufferException)
                {
                    return new(StreamMessageKind.Malformed);
                }

            case StreamWire.RequestData when place.Length > BulkLimits.MaxPieceLength:
                return new(StreamMessageKind.TooLarge);
            case StreamWire.RequestData:
                return new(StreamMessageKind.Data, data: message.Memory.Slice(place.Start, place.Length), message: message);
            case StreamWire.Finish:
                return OfFinish();
            default:
                return new(StreamMessageKind.None);
        }
    }
}
