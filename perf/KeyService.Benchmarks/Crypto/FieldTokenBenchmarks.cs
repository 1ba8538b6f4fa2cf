using BenchmarkDotNet.Attributes;
using KeyService.Crypto;

namespace KeyService.Benchmarks.Crypto;

/// <summary>A field token made and opened, nonce, associated data and pooled state included, beside the bare XAES-256-GCM message of the same size.</summary>
[MemoryDiagnoser]
public class FieldTokenBenchmarks
{
    private readonly EncryptionContext _context = EncryptionContext.Create([new("tenant", "st-mary"), new("table", "observation")]);
    private readonly byte[] _nonce = new byte[24];
    private readonly byte[] _tag = new byte[16];
    private byte[] _aad = [];
    private byte[] _plaintext = [];
    private byte[] _ciphertext = [];
    private byte[] _token = [];
    private FieldCipher _cipher = null!;
    private XAes256Gcm _bare = null!;

    [Params(16, 100, 1024, 16 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        _cipher = new FieldCipher(key, new KeyVersionId(7));
        _bare = new XAes256Gcm(key.DangerousSpan);
        _aad = AssociatedData.ToArray(AadPurpose.FieldToken, FieldToken.Format1, new KeyVersionId(7), [], _context);
        _plaintext = new byte[Size];
        _ciphertext = new byte[Size];
        _token = new byte[_cipher.TokenLength(Size)];
        _cipher.Encrypt(_context, _plaintext, _token);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _cipher.Dispose();
        _bare.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void BareXAes() => _bare.Encrypt(_nonce, _plaintext, _ciphertext, _tag, _aad);

    [Benchmark]
    public void Encrypt() => _cipher.Encrypt(_context, _plaintext, _token);

    [Benchmark]
    public bool Decrypt() => _cipher.TryDecrypt(_context, _token, _plaintext);
}
