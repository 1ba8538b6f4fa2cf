using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>An item of a batch whose context is refused must not change the context of the next item.</summary>
public sealed class ContextEncoderRefusalTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    [InlineData("c")]
    public void After_a_repeated_key_the_shared_pairs_are_what_they_were(string repeated)
    {
        EncryptionContext shared = EncryptionContext.Create([new("a", "1"), new("b", "2"), new("c", "3")]);
        var encoder = new ContextEncoder(new byte[EncryptionContext.MaxEncodedLength], new ContextEncoder.Entry[EncryptionContext.MaxPairs]);
        encoder.Add(shared);
        int mark = encoder.Mark;
        Refused(ref encoder, repeated);
        encoder.ReturnTo(mark);
        encoder.Add("row"u8, "7"u8);
        byte[] encoded = encoder.Encode(new byte[EncryptionContext.MaxEncodedLength]).Encoded.ToArray();
        Assert.Equal(shared.Merge(EncryptionContext.Create("row", "7")).Encoded, encoded);
    }

    [Fact]
    public void Going_on_after_a_refusal_gives_the_pairs_that_were_accepted()
    {
        var encoder = new ContextEncoder(new byte[EncryptionContext.MaxEncodedLength], new ContextEncoder.Entry[EncryptionContext.MaxPairs]);
        encoder.Add("b"u8, "2"u8);
        Refused(ref encoder, "b");
        encoder.Add("a"u8, "1"u8);
        Assert.Equal(EncryptionContext.Create([new("a", "1"), new("b", "2")]).Encoded, encoder.Finish());
    }

    // A ref struct cannot be captured by Assert.Throws.
    private static void Refused(ref ContextEncoder encoder, string key)
    {
        try
        {
            encoder.Add(key, "again");
        }
        catch (InvalidContextException)
        {
            return;
        }
        Assert.Fail("A repeated key was accepted.");
    }
}
