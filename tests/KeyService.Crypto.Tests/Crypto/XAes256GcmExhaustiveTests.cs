namespace KeyService.Tests.Crypto;

/// <summary>The longest of the specification's vectors. Left out of a mutation run, where it would run a thousand times.</summary>
public sealed class XAes256GcmExhaustiveTests
{
    [Fact]
    [Trait("Duration", "long")]
    public void The_accumulated_hash_over_a_million_messages_comes_out() =>
        Assert.Equal("2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15", XAes256GcmTests.Accumulated(AesBackends.Get("evp"), 1_000_000));
}
