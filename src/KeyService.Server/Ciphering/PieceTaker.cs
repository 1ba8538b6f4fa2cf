using System.Buffers;
using System.Runtime.ExceptionServices;
using Google.Protobuf;
using KeyService.Protocol.Bulk;

namespace KeyService.Server.Ciphering;

/// <summary>
/// Gives the data of a stream's messages to the chunk cipher: from here on straight from the transport's memory, as each is parsed
/// (<see cref="DirectData"/>), and by a copy where a message has an unusual form. To be made by the flow of execution that reads the messages.
/// </summary>
internal sealed class PieceTaker
{
    private readonly DataTaker _cipher;
    private ExceptionDispatchInfo? _failure;

    public PieceTaker(DataTaker cipher)
    {
        _cipher = cipher;
        DirectData.Taker = Take;
    }

    /// <summary>The data of the message that was just read.</summary>
    /// <returns>What the cipher threw at it, or null.</returns>
    public ExceptionDispatchInfo? Take<TStart>(StreamRequest<TStart> message)
        where TStart : class, IMessage<TStart>, new()
    {
        if (!message.WasTaken)
        {
            Take(new ReadOnlySequence<byte>(message.Data));
        }

        return _failure;
    }

    // Inside gRPC's parsing, where an exception would become a status of its own.
    private void Take(in ReadOnlySequence<byte> data)
    {
        try
        {
            _cipher(data);
        }
        catch (Exception exception)
        {
            _failure = ExceptionDispatchInfo.Capture(exception);
        }
    }
}
