using System.Buffers;
using System.Security.Cryptography;
using Grpc.Core;
using KeyService.Protocol.Bulk;

namespace KeyService.Server.Ciphering;

/// <summary>
/// What a stream has ready to answer: a buffer that the chunk cipher writes into and that leaves in pieces of at most 1 MiB. Zeroed,
/// as it may hold plaintext.
/// </summary>
internal sealed class PieceBuffer : IBufferWriter<byte>, IDisposable
{
    /// <summary>Less than this waits for more, so that small requests do not make small answers.</summary>
    private const int WorthSending = 64 * 1024;

    /// <summary>
    /// Holds what a request of 1 MiB gives, its chunks' tags and what waited from before. Of just this size, and so not from the
    /// pool, which would give 2 MiB: a server has many streams.
    /// </summary>
    private const int Capacity = BulkLimits.MaxPieceLength + (2 * WorthSending);

    private byte[] _bytes = GC.AllocateUninitializedArray<byte>(Capacity);
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
        return _bytes.AsMemory(_length);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <summary>Sends what is worth sending; with <paramref name="all"/> everything.</summary>
    public async ValueTask SendAsync(IServerStreamWriter<StreamResponse> answers, bool all)
    {
        var sent = 0;
        while (_length - sent >= (all ? 1 : WorthSending))
        {
            var piece = Math.Min(_length - sent, BulkLimits.MaxPieceLength);
            await answers.WriteAsync(StreamResponse.OfData(_bytes.AsMemory(sent, piece)));
            sent += piece;
        }

        _bytes.AsSpan(sent, _length - sent).CopyTo(_bytes);
        _length -= sent;
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(_bytes);

    private void EnsureRoom(int count)
    {
        if (_bytes.Length - _length >= count)
        {
            return;
        }

        var larger = GC.AllocateUninitializedArray<byte>((_length + count) * 2);
        _bytes.AsSpan(0, _length).CopyTo(larger);
        CryptographicOperations.ZeroMemory(_bytes);
        _bytes = larger;
    }
}
