using System.Text;

namespace KeyService.Protocol.Bulk;

/// <summary>
/// Makes the answer of a batch in place: <see cref="BeginData"/> gives the memory that the cipher writes into, so that a
/// result is written once. The room must have been computed with <see cref="ResultLength"/> before.
/// </summary>
public sealed class FieldResponseBuilder : IDisposable
{
    private readonly PooledBytes _message;
    private int _position;
    private int _resultStart;
    private bool _built;

    public FieldResponseBuilder(int capacity) => _message = new PooledBytes(capacity);

    /// <summary>Bytes that a result of <paramref name="dataLength"/> bytes takes in the answer.</summary>
    public static int ResultLength(int dataLength) => WireWriter.FieldLength(WireWriter.FieldLength(dataLength));

    /// <summary>Begins the next result and returns the place of its data.</summary>
    public Span<byte> BeginData(int length)
    {
        _resultStart = _position;
        var writer = new WireWriter(_message.Span) { Position = _position };
        writer.WriteHeader(1, WireWriter.FieldLength(length));
        writer.WriteHeader(FieldNumbers.ResultData, length);
        var place = writer.Take(length);
        _position = writer.Position;
        return place;
    }

    /// <summary>Adds a result that is an error: name of a Reason without "REASON_".</summary>
    public void AddError(ReadOnlySpan<byte> reason)
    {
        _resultStart = _position;
        var writer = new WireWriter(_message.Span) { Position = _position };
        writer.WriteHeader(1, WireWriter.FieldLength(reason.Length));
        writer.WriteField(FieldNumbers.ResultError, reason);
        _position = writer.Position;
    }

    /// <summary>Takes back the data begun last and puts an error in its place.</summary>
    public void ReplaceByError(ReadOnlySpan<byte> reason)
    {
        _message.Span[_resultStart.._position].Clear();
        _position = _resultStart;
        AddError(reason);
    }

    /// <summary>Ends a batch. The answer owns the memory from here.</summary>
    /// <param name="keyVersion">16 hexadecimal digits, for EncryptBatch only.</param>
    public FieldResponse Build(string? keyVersion = null)
    {
        var writer = new WireWriter(_message.Span) { Position = _position };
        if (keyVersion is not null)
        {
            WriteText(ref writer, 2, keyVersion);
        }

        return Finish(writer.Position);
    }

    /// <summary>Begins the answer of a single Encrypt or Decrypt.</summary>
    public Span<byte> BeginSingle(int length)
    {
        var writer = new WireWriter(_message.Span);
        if (length > 0)
        {
            writer.WriteHeader(1, length);
        }

        var place = writer.Take(length);
        _position = writer.Position;
        return place;
    }

    /// <summary>Ends EncryptResponse (no key) or DecryptResponse.</summary>
    public FieldResponse BuildSingle(string? key, string keyVersion)
    {
        var writer = new WireWriter(_message.Span) { Position = _position };
        if (key is not null)
        {
            WriteText(ref writer, 2, key);
        }

        WriteText(ref writer, key is null ? 2 : 3, keyVersion);
        return Finish(writer.Position);
    }

    public void Dispose()
    {
        if (!_built)
        {
            _message.Dispose();
        }
    }

    private FieldResponse Finish(int length)
    {
        _message.Truncate(length);
        _built = true;
        return new FieldResponse(_message);
    }

    private static void WriteText(ref WireWriter writer, int fieldNumber, string value)
    {
        var length = Encoding.UTF8.GetByteCount(value);
        writer.WriteHeader(fieldNumber, length);
        Encoding.UTF8.GetBytes(value, writer.Take(length));
    }
}
