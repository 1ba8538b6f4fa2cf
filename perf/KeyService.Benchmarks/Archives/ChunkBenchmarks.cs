using System.Buffers;
using BenchmarkDotNet.Attributes;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Benchmarks.Archives;

/// <summary>
/// 1 MiB through the push form, as the service's streams do it, against a bare loop of AES-256-GCM over the same 64 chunks. Whole messages
/// and pieces that split every chunk.
/// </summary>
[MemoryDiagnoser]
public class ChunkBenchmarks
{
    private const int Length = 1024 * 1024;
    private readonly byte[] _plaintext = new byte[Length];
    private readonly byte[] _payload = new byte[64 * ArchiveFormat.SealedChunkLength];
    private readonly byte[] _nonce = new byte[12];
    private readonly FixedWriter _sink = new(2 * Length);
    private readonly SecretBuffer _key = SecretBuffer.Random(32);
    private Aes256Gcm _gcm = null!;
    private ChunkEncryptor _encryptor = null!;
    private MessageKeys _keys = null!;
    private ChunkCipher _cipher = null!;

    /// <summary>Bytes a call.</summary>
    [Params(Length, 10_000)]
    public int Piece { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _gcm = new Aes256Gcm(_key.DangerousSpan);
        _encryptor = new ChunkEncryptor([], _key, new byte[24], []);
        _keys = MessageKeys.Derive(_key, new byte[24], []);
        _cipher = new ChunkCipher(_keys);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _gcm.Dispose();
        _encryptor.Dispose();
        _cipher.Dispose();
        _keys.Dispose();
        _key.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void BareLoop()
    {
        for (int i = 0; i < 64; i++)
        {
            Span<byte> chunk = _payload.AsSpan(i * ArchiveFormat.SealedChunkLength, ArchiveFormat.SealedChunkLength);
            _gcm.Encrypt(_nonce, _plaintext.AsSpan(i * ArchiveFormat.ChunkLength, ArchiveFormat.ChunkLength), chunk[..^16], chunk[^16..], []);
        }
    }

    [Benchmark]
    public void Push()
    {
        _sink.Reset();
        for (int at = 0; at < Length; at += Piece)
        {
            _encryptor.Write(_plaintext.AsSpan(at, Math.Min(Piece, Length - at)), _sink);
        }
    }

    /// <summary>One buffer over and over, so that only the encryptor is measured.</summary>
    private sealed class FixedWriter(int length) : IBufferWriter<byte>
    {
        private readonly byte[] _buffer = new byte[length];
        private int _written;

        public void Reset() => _written = 0;

        public void Advance(int count) => _written += count;

        public Memory<byte> GetMemory(int sizeHint = 0) => _buffer.AsMemory(_written);

        public Span<byte> GetSpan(int sizeHint = 0) => _buffer.AsSpan(_written);
    }
}
