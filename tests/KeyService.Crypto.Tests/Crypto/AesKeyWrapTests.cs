using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>AES-KW (RFC 3394), with which an HSM and this code answer each other.</summary>
public sealed class AesKeyWrapTests
{
    /// <summary>RFC 3394, 4.6: 256 bits of key data under a key of 256 bits.</summary>
    [Fact]
    public void The_standards_example_comes_out()
    {
        byte[] key = Convert.FromHexString("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
        byte[] data = Convert.FromHexString("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");
        byte[] wrapped = AesKeyWrap.Wrap(key, data);
        Assert.Equal("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21", Convert.ToHexString(wrapped));
        using SecretBuffer? opened = AesKeyWrap.Unwrap(key, wrapped);
        Assert.Equal(data, opened!.DangerousSpan.ToArray());
    }

    [Theory]
    [InlineData(16)]
    [InlineData(24)]
    [InlineData(32)]
    [InlineData(64)]
    public void What_is_wrapped_unwraps_and_every_changed_bit_is_refused(int length)
    {
        using SecretBuffer key = SecretBuffer.Random(32), data = SecretBuffer.Random(length);
        byte[] wrapped = AesKeyWrap.Wrap(key.DangerousSpan, data.DangerousSpan);
        using SecretBuffer? opened = AesKeyWrap.Unwrap(key.DangerousSpan, wrapped);
        Assert.True(opened!.DangerousSpan.SequenceEqual(data.DangerousSpan));
        for (int bit = 0; bit < 8 * wrapped.Length; bit++)
        {
            wrapped[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(AesKeyWrap.Unwrap(key.DangerousSpan, wrapped));
            wrapped[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        key.DangerousSpan[31] ^= 1;
        Assert.Null(AesKeyWrap.Unwrap(key.DangerousSpan, wrapped));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    [InlineData(39)]
    public void Other_lengths_are_refused(int length) => Assert.Throws<ArgumentOutOfRangeException>(() => AesKeyWrap.Unwrap(new byte[32], new byte[length]));
}
