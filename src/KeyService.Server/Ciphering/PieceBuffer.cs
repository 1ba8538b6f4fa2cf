using System.Buffers;
using Grpc.Core;
using KeyService.Protocol.Bulk;

namespace KeyService.Server.Ciphering;

/// <summary>
/// What a stream has ready to answer: a pooled buffer that the chunk cipher writes into and that leaves in pieces of at most 1 MiB. Zeroed,
/// as it may hold plaintext.
/// </summary>
internal sealed class PieceBuffer : IBufferWriter<byte>, IDisposable
{
    /// <summary>Less than this waits for more, so that small requests do not make small answers.</summary>
    private const int WorthSending = 256 * 1024;

    private PooledBytes _bytes = new(2 * BulkLimits.MaxPieceLength);
    private int _length;

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _bytes.Length - _length);
        _length += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        EnsureRoom(Math.Max(sizeHint, 1));
        return _bytes.Memory[_length..];
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <summary>Sends what is worth sending; with <paramref name="all"/> everything.</summary>
    public async ValueTask SendAsync(IServerStreamWriter<StreamResponse> answers, bool all)
    {
        var sent = 0;
        while (_length - sent >= (all ? 1 : WorthSending))
        {
            var piece = Math.Min(_length - sent, BulkLimits.MaxPieceLength);
            await answers.WriteAsync(StreamResponse.OfData(_bytes.Memory.Slice(sent, piece)));
            sent += piece;
        }

        _bytes.Span[sent.._length].CopyTo(_bytes.Span);
        _length -= sent;
    }

    public void Dispose() => _bytes.Dispose();

    private void EnsureRoom(int count)
    {
        if (_bytes.Length - _length >= count)
        {
            return;
        }

        var larger = new PooledBytes((_length + count) * 2);
        _bytes.Span[.._length].CopyTo(larger.Span);
        _bytes.Dispose();
        _bytes = larger;
    }
}
