using System.Buffers;

namespace KeyService.Protocol.Bulk;

/// <summary>Why a request cannot be worked on.</summary>
public enum FieldRequestProblem
{
    None,

    /// <summary>Not a message of this kind.</summary>
    Malformed,

    /// <summary>More than <see cref="BulkLimits.MaxItems"/>.</summary>
    TooManyItems,

    /// <summary>More than <see cref="BulkLimits.MaxMessageLength"/>.</summary>
    TooManyBytes,
}

/// <summary>
/// A request of the Cipher service: one pooled copy of the message and an index into it; no object an item. The bytes on
/// the wire are those of the generated classes. Reading never throws: a bad message has a <see cref="Problem"/>, so that
/// its refusal goes through the pipeline and is recorded as any other.
/// </summary>
public sealed class FieldRequest : IDisposable
{
    private readonly PooledBytes _message;
    private readonly FieldRequestIndex _index;

    private FieldRequest(FieldMessage kind, PooledBytes message, FieldRequestIndex index)
    {
        Kind = kind;
        _message = message;
        _index = index;
    }

    public FieldMessage Kind { get; }

    public FieldRequestProblem Problem => _index.Problem;

    /// <summary>Bytes of the message.</summary>
    public int Length => _message.Length;

    /// <summary>The key's name as it came; empty for messages without one.</summary>
    public ReadOnlySpan<byte> Key => _index.Key.Of(_message.Span);

    public ContextEntries SharedContext => new(_message.Span, _index.SharedEntries);

    /// <summary>Items of a batch, 1 for the single forms.</summary>
    public int ItemCount => _index.ItemCount;

    internal PooledBytes Message => _message;

    /// <summary>Plaintext or ciphertext of an item.</summary>
    public ReadOnlySpan<byte> Data(int item) => _index.Item(item).Data.Of(_message.Span);

    /// <summary>What an item adds to the shared context.</summary>
    public ContextEntries ItemContext(int item) => new(_message.Span, _index.EntriesOf(item));

    /// <summary>Reads a message. A message over the limit is not even copied.</summary>
    public static FieldRequest Read(FieldMessage kind, in ReadOnlySequence<byte> bytes)
    {
        if (bytes.Length > BulkLimits.MaxMessageLength)
        {
            return new FieldRequest(kind, new PooledBytes(0), new FieldRequestIndex { Problem = FieldRequestProblem.TooManyBytes });
        }

        return Over(kind, PooledBytes.CopyOf(bytes));
    }

    /// <summary>Indexes a message whose buffer the request takes over.</summary>
    internal static FieldRequest Over(FieldMessage kind, PooledBytes message)
    {
        var index = new FieldRequestIndex();
        index.Read(FieldNumbers.Of(kind), message.Span);
        return new FieldRequest(kind, message, index);
    }

    public void Dispose()
    {
        _message.Dispose();
        _index.Dispose();
    }
}
