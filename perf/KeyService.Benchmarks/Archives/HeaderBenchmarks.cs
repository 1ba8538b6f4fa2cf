using BenchmarkDotNet.Attributes;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Benchmarks.Archives;

/// <summary>What an archive costs before its first byte: header, key derivation, and reading one range of a large one.</summary>
[MemoryDiagnoser]
public class HeaderBenchmarks
{
    private readonly SecretBuffer _key = SecretBuffer.Random(32);
    private readonly byte[] _salt = new byte[24];
    private readonly byte[] _range = new byte[100];
    private byte[] _header = [];
    private byte[] _context = [];
    private ArchiveRangeReader _reader = null!;
    private long _at;

    [GlobalSetup]
    public void Setup()
    {
        byte[] wrapped = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(wrapped, new KeyVersionId(7), new byte[12], new byte[48]);
        ArchiveHeader header = ArchiveHeader.Create(
            ArchiveHeader.NewArchiveId(), EncryptionContext.Create([new("database", "ehr"), new("host", "db-1")]), "dump.sql", wrapped);
        _header = header.ToArray();
        _context = header.MessageContext();
        var archive = new MemoryStream();
        ArchiveEncryptor.EncryptAsync(new MemoryStream(new byte[16 << 20]), archive, header, _key).GetAwaiter().GetResult();
        _reader = ArchiveRangeReader.Open(archive, header, _key);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _reader.Dispose();
        _key.Dispose();
    }

    [Benchmark]
    public ArchiveHeader Parse() => ArchiveHeader.Parse(_header);

    [Benchmark]
    public void Derive() => MessageKeys.Derive(_key, _salt, _context).Dispose();

    /// <summary>100 bytes of a chunk that is not the one held.</summary>
    [Benchmark]
    public int ReadRange()
    {
        _at = (_at + 100_003) % (16 << 20);
        return _reader.ReadAt(_at, _range);
    }
}
