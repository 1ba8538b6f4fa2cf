using System.Buffers;

namespace KeyService.Protocol.Bulk;

/// <summary>Takes the data of one request while it stands in the transport's memory; that memory is the transport's again when it returns.</summary>
public delegate void DataTaker(in ReadOnlySequence<byte> data);

/// <summary>
/// Lets a stream's implementation have the data of its requests straight from the transport's memory, without a copy: gRPC parses a message inside
/// MoveNext and takes the memory back behind it, and the parser knows no call. What it knows is the flow of execution that asked for the message.
/// </summary>
public static class DirectData
{
    private static readonly AsyncLocal<DataTaker?> Current = new();

    /// <summary>Who takes the data of the messages that this flow of execution reads; null: they are copied. A taker must not throw.</summary>
    public static DataTaker? Taker
    {
        get => Current.Value;
        set => Current.Value = value;
    }
}
