using System.Buffers;
using System.Text;

namespace KeyService.Protocol.Bulk;

/// <summary>
/// An answer of the Cipher service, kept as the bytes that go over the wire: the server encrypts and decrypts straight
/// into them, the client reads results from where they arrived. Zeroed when disposed: keep it as long as its results are read, then
/// dispose of it.
/// </summary>
public sealed class FieldResponse : IDisposable
{
    private readonly List<ResultPlace> _results = [];

    internal FieldResponse(PooledBytes message) => Message = message;

    /// <summary>Results read by <see cref="Read"/>; 0 on an answer that is being sent.</summary>
    public int ResultCount => _results.Count;

    public string Key { get; private set; } = "";

    public string KeyVersion { get; private set; } = "";

    internal PooledBytes Message { get; }

    /// <summary>True with the data of a result; false with an item that failed, see <see cref="Error"/>.</summary>
    public bool TryGetData(int result, out ReadOnlySpan<byte> data)
    {
        var place = _results[result];
        data = place.IsError ? default : place.Value.Of(Message.Span);
        return !place.IsError;
    }

    /// <summary>Name of a Reason without "REASON_"; empty when the item succeeded.</summary>
    public string Error(int result) =>
        _results[result] is { IsError: true } place ? Encoding.UTF8.GetString(place.Value.Of(Message.Span)) : "";

    /// <summary>Reads an answer.</summary>
    /// <exception cref="FormatException">The bytes are not such a message.</exception>
    public static FieldResponse Read(FieldMessage kind, in ReadOnlySequence<byte> bytes)
    {
        var response = new FieldResponse(PooledBytes.CopyOf(bytes));
        if (!response.TryIndex(kind))
        {
            response.Dispose();
            throw new FormatException("The answer is not a message of keyservice.v1.Cipher.");
        }

        return response;
    }

    public void Dispose() => Message.Dispose();

    private bool TryIndex(FieldMessage kind)
    {
        var batch = kind is FieldMessage.EncryptBatch or FieldMessage.DecryptBatch;
        var message = Message.Span;
        var reader = new WireReader(message, 0, message.Length);
        var wellFormed = true;
        var single = default(Range32);
        while (reader.ReadTag() is var tag and not 0)
        {
            switch (kind, tag >> 3, tag & 7)
            {
                case (FieldMessage.EncryptBatch or FieldMessage.DecryptBatch, 1, 2):
                    wellFormed &= TryReadResult(message, reader.ReadDelimited());
                    break;
                case (FieldMessage.Encrypt or FieldMessage.Decrypt, 1, 2):
                    single = reader.ReadDelimited();
                    break;
                case (FieldMessage.Decrypt, 2, 2):
                    Key = Encoding.UTF8.GetString(reader.ReadDelimited().Of(message));
                    break;
                case (FieldMessage.EncryptBatch or FieldMessage.Encrypt, 2, 2) or (FieldMessage.Decrypt, 3, 2):
                    KeyVersion = Encoding.UTF8.GetString(reader.ReadDelimited().Of(message));
                    break;
                default:
                    reader.Skip(tag);
                    break;
            }
        }

        if (!batch)
        {
            _results.Add(new ResultPlace(single, false));
        }

        return wellFormed && !reader.Failed;
    }

    private bool TryReadResult(ReadOnlySpan<byte> message, Range32 place)
    {
        var result = default(ResultPlace);
        var reader = new WireReader(message, place.Start, place.End);
        while (reader.ReadTag() is var tag and not 0)
        {
            if (tag == FieldNumbers.Tag(FieldNumbers.ResultData))
            {
                result = new ResultPlace(reader.ReadDelimited(), false);
            }
            else if (tag == FieldNumbers.Tag(FieldNumbers.ResultError))
            {
                result = new ResultPlace(reader.ReadDelimited(), true);
            }
            else
            {
                reader.Skip(tag);
            }
        }

        _results.Add(result);
        return !reader.Failed;
    }

    private readonly record struct ResultPlace(Range32 Value, bool IsError);
}
