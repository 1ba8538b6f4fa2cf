using System.Buffers;
using System.Text;

namespace KeyService.Protocol.Bulk;

/// <summary>Makes a request of the Cipher service for a client: bytes are copied once, into what is sent.</summary>
public sealed class FieldRequestBuilder : IDisposable
{
    private readonly FieldMessage _kind;
    private readonly FieldNumbers _numbers;
    private PooledBytes _message = new(4096);
    private int _position;

    public FieldRequestBuilder(FieldMessage kind)
    {
        _kind = kind;
        _numbers = FieldNumbers.Of(kind);
    }

    /// <summary>Names the key of an encryption.</summary>
    public void SetKey(string key)
    {
        ArgumentOutOfRangeException.ThrowIfZero(_numbers.Key);
        var writer = Reserve(16 + Encoding.UTF8.GetMaxByteCount(key.Length));
        var length = Encoding.UTF8.GetByteCount(key);
        writer.WriteHeader(_numbers.Key, length);
        Encoding.UTF8.GetBytes(key, writer.Take(length));
        _position = writer.Position;
    }

    /// <summary>Adds an entry to the shared context.</summary>
    public void AddContext(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        var length = EntryLength(key, value);
        var writer = Reserve(WireWriter.FieldLength(length));
        writer.WriteHeader(_numbers.Context, length);
        WriteEntry(ref writer, key, value);
        _position = writer.Position;
    }

    /// <summary>Adds an item, or sets the only one.</summary>
    public void AddItem(ReadOnlySpan<byte> data) => AddItem(data, default, default);

    /// <summary>Adds an item with one context entry of its own, the row, say; no entry when <paramref name="contextKey"/> is
    /// empty.</summary>
    public void AddItem(ReadOnlySpan<byte> data, ReadOnlySpan<byte> contextKey, ReadOnlySpan<byte> contextValue)
    {
        if (_numbers.Item == 0)
        {
            var single = Reserve(WireWriter.FieldLength(data.Length));
            single.WriteField(_numbers.Data, data);
            _position = single.Position;
            return;
        }

        var contextLength = contextKey.IsEmpty ? 0 : EntryLength(contextKey, contextValue);
        var length = WireWriter.FieldLength(data.Length) + (contextKey.IsEmpty ? 0 : WireWriter.FieldLength(contextLength));
        var writer = Reserve(WireWriter.FieldLength(length));
        writer.WriteHeader(_numbers.Item, length);
        writer.WriteField(FieldNumbers.ItemData, data);
        if (!contextKey.IsEmpty)
        {
            writer.WriteHeader(FieldNumbers.ItemContext, contextLength);
            WriteEntry(ref writer, contextKey, contextValue);
        }

        _position = writer.Position;
    }

    /// <summary>Ends the request, which owns the memory from here.</summary>
    public FieldRequest Build()
    {
        var message = _message;
        message.Truncate(_position);
        _message = new PooledBytes(0);
        _position = 0;
        return FieldRequest.Over(_kind, message);
    }

    public void Dispose() => _message.Dispose();

    /// <summary>Bytes of a Context message with this entry alone.</summary>
    private static int EntryLength(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        WireWriter.FieldLength(WireWriter.FieldLength(key.Length) + WireWriter.FieldLength(value.Length));

    private static void WriteEntry(ref WireWriter writer, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        writer.WriteHeader(FieldNumbers.Entries, WireWriter.FieldLength(key.Length) + WireWriter.FieldLength(value.Length));
        writer.WriteField(FieldNumbers.EntryKey, key);
        writer.WriteField(FieldNumbers.EntryValue, value);
    }

    private WireWriter Reserve(int length)
    {
        if (_message.Length - _position < length)
        {
            var larger = new PooledBytes((_position + length) * 2);
            _message.Span[.._position].CopyTo(larger.Span);
            _message.Dispose();
            _message = larger;
        }

        return new WireWriter(_message.Span) { Position = _position };
    }
}
