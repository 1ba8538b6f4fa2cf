using BenchmarkDotNet.Attributes;
using KeyService.Crypto;

namespace KeyService.Benchmarks.Crypto;

/// <summary>One AES-256-GCM message under a key set once: libcrypto's EVP against the BCL's AesGcm. 32 bytes of associated data.</summary>
[MemoryDiagnoser]
public class GcmBenchmarks
{
    private readonly byte[] _nonce = new byte[12];
    private readonly byte[] _tag = new byte[16];
    private readonly byte[] _aad = new byte[32];
    private byte[] _plaintext = [];
    private byte[] _ciphertext = [];
    private Aes256Gcm _evp = null!;
    private Aes256Gcm _bcl = null!;

    [Params(16, 100, 1024, 16 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _plaintext = new byte[Size];
        _ciphertext = new byte[Size];
        _evp = new Aes256Gcm(new byte[32], AesBackend.Evp ?? throw new InvalidOperationException("libcrypto is missing."));
        _bcl = new Aes256Gcm(new byte[32], AesBackend.Bcl);
        _bcl.Encrypt(_nonce, _plaintext, _ciphertext, _tag, _aad);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _evp.Dispose();
        _bcl.Dispose();
    }

    [Benchmark]
    public void EncryptEvp() => _evp.Encrypt(_nonce, _plaintext, _ciphertext, _tag, _aad);

    [Benchmark(Baseline = true)]
    public void EncryptBcl() => _bcl.Encrypt(_nonce, _plaintext, _ciphertext, _tag, _aad);
}
