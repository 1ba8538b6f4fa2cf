using Google.Protobuf;
using Grpc.Core;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Ciphering;

/// <summary>Reads the messages of a stream and holds their order: start, data, finish.</summary>
internal sealed class StreamMessages<TStart>(IAsyncStreamReader<StreamRequest<TStart>> requests, CancellationToken cancellationToken)
    where TStart : class, IMessage<TStart>, new()
{
    /// <summary>The first message.</summary>
    /// <exception cref="Refusal">STREAM_INCOMPLETE, INVALID_ARGUMENT.</exception>
    public async Task<TStart> ReadStartAsync()
    {
        using var first = await ReadAsync();
        return first is { Kind: StreamMessageKind.Start, Start: { } start }
            ? start
            : throw Incomplete("The first message of a stream is its start.");
    }

    /// <summary>The next message, data or finish. Dispose it when its data was used.</summary>
    /// <exception cref="Refusal">STREAM_INCOMPLETE, INVALID_ARGUMENT.</exception>
    public async ValueTask<StreamRequest<TStart>> ReadNextAsync()
    {
        var message = await ReadAsync();
        switch (message.Kind)
        {
            case StreamMessageKind.Data when message.Data.IsEmpty && !message.WasTaken:
                message.Dispose();
                throw Refusal.InvalidArgument("data", "must be 1 byte to 1 MiB");
            case StreamMessageKind.Data or StreamMessageKind.Finish:
                return message;
            case StreamMessageKind.Start:
                throw Incomplete("A stream has one start, its first message.");
            default:
                throw Incomplete("A message of the stream is empty.");
        }
    }

    private async ValueTask<StreamRequest<TStart>> ReadAsync()
    {
        if (!await requests.MoveNext(cancellationToken))
        {
            throw Incomplete("The stream ended without its finish message.");
        }

        return requests.Current.Kind switch
        {
            StreamMessageKind.Malformed => throw Refusal.InvalidArgument("request", "is not a message of this method"),
            StreamMessageKind.TooLarge => throw Refusal.InvalidArgument("data", "must be 1 byte to 1 MiB"),
            _ => requests.Current,
        };
    }

    private static Refusal Incomplete(string sentence) =>
        new(Reason.StreamIncomplete, $"{sentence} Nothing was sealed; what was answered so far is not whole.");
}
