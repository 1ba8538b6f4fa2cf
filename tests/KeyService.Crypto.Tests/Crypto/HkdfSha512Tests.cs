using System.Security.Cryptography;
using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

public sealed class HkdfSha512Tests
{
    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(76)]
    [InlineData(255 * 64)]
    public void It_gives_what_the_BCL_gives_where_the_BCL_accepts_the_key(int length)
    {
        byte[] key = [.. Enumerable.Range(0, 64).Select(i => (byte)i)];
        var output = new byte[length];
        HkdfSha512.Expand(key, "info"u8, output);
        Assert.Equal(HKDF.Expand(HashAlgorithmName.SHA512, key, length, "info"u8.ToArray()), output);
    }

    [Fact]
    public void Wycheproof_vectors_come_out()
    {
        int count = 0;
        foreach (JsonObject group in Wycheproof.Groups("hkdf_sha512_test.json"))
        {
            foreach (JsonNode? node in group["tests"]!.AsArray())
            {
                JsonObject test = node!.AsObject();
                if (test.Text("result") != "valid")
                {
                    Assert.Throws<ArgumentOutOfRangeException>(() => HkdfSha512.Expand(new byte[64], [], new byte[test.Number("size")]));
                    continue;
                }
                var output = new byte[test.Number("size")];
                HkdfSha512.Expand(HKDF.Extract(HashAlgorithmName.SHA512, test.Bytes("ikm"), test.Bytes("salt")), test.Bytes("info"), output);
                Assert.Equal(test.Bytes("okm"), output);
                count++;
            }
        }
        Assert.True(count > 50, $"{count} vectors: the file is not what it was.");
    }

    [Fact]
    public void A_32_byte_key_gives_HMAC_of_info_and_the_counter()
    {
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        var output = new byte[100];
        HkdfSha512.Expand(key, "info"u8, output);
        byte[] first = HMACSHA512.HashData(key, (byte[])[.. "info"u8, 1]);
        byte[] second = HMACSHA512.HashData(key, (byte[])[.. first, .. "info"u8, 2]);
        Assert.Equal([.. first, .. second[..36]], output);
    }

    [Fact]
    public void Keys_that_are_too_short_and_outputs_of_a_wrong_size_throw()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => HkdfSha512.Expand(new byte[15], [], new byte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => HkdfSha512.Expand(new byte[32], [], []));
        Assert.Throws<ArgumentOutOfRangeException>(() => HkdfSha512.Expand(new byte[32], [], new byte[(255 * 64) + 1]));
    }
}
