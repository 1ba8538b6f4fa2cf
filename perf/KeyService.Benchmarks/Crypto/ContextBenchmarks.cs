using BenchmarkDotNet.Attributes;
using KeyService.Crypto;

namespace KeyService.Benchmarks.Crypto;

/// <summary>What a batch pays for each item's context.</summary>
[MemoryDiagnoser]
public class ContextBenchmarks
{
    private readonly KeyValuePair<string, string>[] _pairs = [new("tenant", "st-mary"), new("table", "observation"), new("row", "4711")];
    private readonly EncryptionContext _shared = EncryptionContext.Create([new("tenant", "st-mary"), new("table", "observation")]);
    private readonly EncryptionContext _row = EncryptionContext.Create("row", "4711");
    private byte[] _encoded = [];

    [GlobalSetup]
    public void Setup() => _encoded = EncryptionContext.Create(_pairs).Encoded.ToArray();

    [Benchmark]
    public EncryptionContext Create() => EncryptionContext.Create(_pairs);

    [Benchmark]
    public EncryptionContext Merge() => _shared.Merge(_row);

    [Benchmark]
    public bool Parse() => EncryptionContext.TryParse(_encoded, out _);
}
