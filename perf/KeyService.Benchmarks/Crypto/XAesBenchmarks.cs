using BenchmarkDotNet.Attributes;
using KeyService.Crypto;

namespace KeyService.Benchmarks.Crypto;

/// <summary>One XAES-256-GCM message: key derivation and AES-256-GCM. The loop that P3 and P4 are measured against.</summary>
[MemoryDiagnoser]
public class XAesBenchmarks
{
    private readonly byte[] _nonce = new byte[24];
    private readonly byte[] _tag = new byte[16];
    private readonly byte[] _aad = new byte[60];
    private byte[] _plaintext = [];
    private byte[] _ciphertext = [];
    private XAes256Gcm _evp = null!;
    private XAes256Gcm _bcl = null!;

    [Params(16, 100, 1024, 16 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _plaintext = new byte[Size];
        _ciphertext = new byte[Size];
        _evp = new XAes256Gcm(new byte[32], AesBackend.Evp ?? throw new InvalidOperationException("libcrypto is missing."));
        _bcl = new XAes256Gcm(new byte[32], AesBackend.Bcl);
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
