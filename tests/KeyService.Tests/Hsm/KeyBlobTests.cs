using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Mechanisms;

namespace KeyService.Tests.Hsm;

public sealed class KeyBlobTests
{
    [Fact]
    public void A_blob_is_the_frozen_algorithm_byte_and_the_wrapped_key()
    {
        var wrapped = Enumerable.Range(0, 40).Select(i => (byte)i).ToArray();
        var blob = KeyBlob.FromWrapped(wrapped);
        Assert.Equal(41, blob.Length);
        Assert.Equal(0x01, blob[0]);
        Assert.Equal(wrapped, KeyBlob.ToWrapped(blob, "a key"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("01")]
    [InlineData("0200000000000000000000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("010000000000000000000000000000000000000000000000000000000000000000000000000000000000")]
    public void Anything_else_is_refused_with_what_was_expected(string hex)
    {
        var refused = Assert.Throws<HsmException>(() => KeyBlob.ToWrapped(Convert.FromHexString(hex), "a key"));
        Assert.Equal(HsmFault.IntegrityFailure, refused.Fault);
        Assert.Contains("AES-KW, 41 bytes", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_module_that_wraps_to_another_length_is_refused() =>
        Assert.Equal(HsmFault.Unexpected, Assert.Throws<HsmException>(() => KeyBlob.FromWrapped(new byte[48])).Fault);

    [Fact]
    public void The_software_key_wrap_gives_the_answer_of_RFC_3394() =>
        Assert.Equal(KnownAnswers.KeyWrapResult.ToArray(), AesKeyWrap.Wrap(KnownAnswers.KeyWrapKey, KnownAnswers.KeyWrapData));

    [Fact]
    public void The_id_of_a_backup_key_is_fixed_by_its_value()
    {
        using var first = SecretBuffer.CopyOf(new byte[32]);
        using var second = SecretBuffer.Random(32);
        Assert.Equal("c30c12f4f30d55d4", Convert.ToHexStringLower(BackupKey.IdOf(first))); // by python3-cryptography's aes_key_wrap
        Assert.NotEqual(BackupKey.IdOf(first), BackupKey.IdOf(second));
    }
}
