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
    private readonly Range32 _data;

    private StreamRequest(StreamMessageKind kind, TStart? start = null, PooledBytes? message = null, Range32 data = default)
    {
        Kind = kind;
        Start = start;
        _message = message;
        _data = data;
    }

    public StreamMessageKind Kind { get; }

    /// <summary>Present when <see cref="Kind"/> is Start.</summary>
    public TStart? Start { get; }

    /// <summary>Empty unless <see cref="Kind"/> is Data; valid until disposed.</summary>
    public ReadOnlyMemory<byte> Data => _message is null ? default : _message.Memory.Slice(_data.Start, _data.Length);

    public static StreamRequest<TStart> OfStart(TStart start) => new(StreamMessageKind.Start, start);

    public static StreamRequest<TStart> OfData(ReadOnlySpan<byte> data)
    {
        var copy = new PooledBytes(data.Length);
        data.CopyTo(copy.Span);
        return new(StreamMessageKind.Data, message: copy, data: new Range32(0, data.Length));
    }

    public static StreamRequest<TStart> OfFinish() => new(StreamMessageKind.Finish);

    /// <summary>Reads a message; never throws, see <see cref="StreamMessageKind.Malformed"/>.</summary>
    public static StreamRequest<TStart> Read(in ReadOnlySequence<byte> bytes)
    {
        if (bytes.Length > BulkLimits.MaxPieceLength + StreamWire.HeaderRoom)
        {
            return new(StreamMessageKind.TooLarge);
        }

        if (StreamWire.TryReadPlainData(bytes, out var data))
        {
            return data.Length > BulkLimits.MaxPieceLength
                ? new(StreamMessageKind.TooLarge)
                : new(StreamMessageKind.Data, message: PooledBytes.CopyOf(data), data: new Range32(0, (int)data.Length));
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
                return new(StreamMessageKind.Data, message: message, data: place);
            case StreamWire.Finish:
                return OfFinish();
            default:
                return new(StreamMessageKind.None);
        }
    }
}
