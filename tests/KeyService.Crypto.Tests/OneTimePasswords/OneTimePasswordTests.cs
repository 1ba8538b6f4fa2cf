using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace KeyService.Crypto.Tests.OneTimePasswords;

public sealed class OneTimePasswordTests
{
    private static readonly byte[] RfcSeed = "12345678901234567890"u8.ToArray();

    /// <summary>RFC 4226, appendix D: the truncated values and the codes of counters 0 to 9.</summary>
    [Theory]
    [InlineData(0, 0x4c93cf18, 755224)]
    [InlineData(1, 0x41397eea, 287082)]
    [InlineData(2, 0x082fef30, 359152)]
    [InlineData(3, 0x66ef7655, 969429)]
    [InlineData(4, 0x61c5938a, 338314)]
    [InlineData(5, 0x33c083d4, 254676)]
    [InlineData(6, 0x7256c032, 287922)]
    [InlineData(7, 0x04e5b397, 162583)]
    [InlineData(8, 0x2823443f, 399871)]
    [InlineData(9, 0x2679dc69, 520489)]
    public void HOTP_vectors(long counter, int truncated, int code)
    {
        Assert.Equal(truncated, OneTimePassword.Truncated(RfcSeed, counter));
        Assert.Equal(code, OneTimePassword.CodeAt(RfcSeed, counter));
    }

    /// <summary>RFC 6238, appendix B, the rows of SHA-1, which have 8 digits: ours are their last 6.</summary>
    [Theory]
    [InlineData("1970-01-01T00:00:59Z", 0x0000000000000001, 94287082)]
    [InlineData("2005-03-18T01:58:29Z", 0x00000000023523EC, 07081804)]
    [InlineData("2005-03-18T01:58:31Z", 0x00000000023523ED, 14050471)]
    [InlineData("2009-02-13T23:31:30Z", 0x000000000273EF07, 89005924)]
    [InlineData("2033-05-18T03:33:20Z", 0x0000000003F940AA, 69279037)]
    [InlineData("2603-10-11T11:33:20Z", 0x0000000027BC86AA, 65353130)]
    public void TOTP_vectors(string time, long step, int eightDigits)
    {
        Assert.Equal(step, OneTimePassword.StepOf(DateTimeOffset.Parse(time, CultureInfo.InvariantCulture)));
        Assert.Equal(eightDigits, OneTimePassword.Truncated(RfcSeed, step) % 100_000_000);
        Assert.Equal(eightDigits % 1_000_000, OneTimePassword.CodeAt(RfcSeed, step));
    }

    [Theory]
    [InlineData("000000", 0)]
    [InlineData("012345", 12345)]
    [InlineData("999999", 999999)]
    public void Six_digits_are_a_code(string text, int code)
    {
        Assert.True(OneTimePassword.TryParse(Encoding.UTF8.GetBytes(text), out var parsed));
        Assert.Equal(code, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("12345")]
    [InlineData("1234567")]
    [InlineData("12345a")]
    [InlineData("-12345")]
    [InlineData("+12345")]
    [InlineData(" 12345")]
    [InlineData("12345\n")]
    [InlineData("\u0661\u0662\u0663")] // Arabic-Indic digits, six bytes
    public void Anything_else_is_none(string text)
    {
        Assert.False(OneTimePassword.TryParse(Encoding.UTF8.GetBytes(text), out var parsed));
        Assert.Equal(0, parsed);
    }

    [Fact]
    public void A_seed_has_20_bytes_and_a_step_is_not_negative()
    {
        Assert.Throws<ArgumentException>(() => OneTimePassword.CodeAt(new byte[19], 1));
        Assert.Throws<ArgumentException>(() => OneTimePassword.CodeAt(new byte[32], 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => OneTimePassword.CodeAt(new byte[20], -1));
    }

    [Fact]
    public void What_parses_is_written_again() => Prop.ForAll(
        ArbMap.Default.ArbFor<int>(),
        number =>
        {
            var code = (int)((uint)number % 1_000_000);
            return OneTimePassword.TryParse(Encoding.ASCII.GetBytes(code.ToString("D6", CultureInfo.InvariantCulture)), out var parsed) && parsed == code;
        }).QuickCheckThrowOnFailure();

    /// <summary>RFC 4648, section 10, without the padding.</summary>
    [Theory]
    [InlineData("", "")]
    [InlineData("f", "MY")]
    [InlineData("fo", "MZXQ")]
    [InlineData("foo", "MZXW6")]
    [InlineData("foob", "MZXW6YQ")]
    [InlineData("fooba", "MZXW6YTB")]
    [InlineData("foobar", "MZXW6YTBOI")]
    [InlineData("12345678901234567890", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    public void Base32_vectors(string bytes, string letters)
    {
        var source = Encoding.ASCII.GetBytes(bytes);
        var written = new byte[Base32.LengthOf(source.Length)];
        Base32.Encode(source, written);
        Assert.Equal(letters, Encoding.ASCII.GetString(written));
        Assert.Throws<ArgumentException>(() => Base32.Encode(source, new byte[written.Length + 1]));
    }
}
