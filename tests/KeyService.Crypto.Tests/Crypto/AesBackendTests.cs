using System.Security.Cryptography;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>A library that computes wrongly is not used: the check at start sees each way of lying.</summary>
public sealed class AesBackendTests
{
    public enum Lie
    {
        None, AnotherCiphertext, AnotherTag, AnotherPlaintext, TakesEveryTag, TakesNoTag, OnlyTheFirstTime, Throws, AnotherBlock,
    }

    [Theory]
    [InlineData(Lie.None, true)]
    [InlineData(Lie.AnotherCiphertext, false)]
    [InlineData(Lie.AnotherTag, false)]
    [InlineData(Lie.AnotherPlaintext, false)]
    [InlineData(Lie.TakesEveryTag, false)]
    [InlineData(Lie.TakesNoTag, false)]
    [InlineData(Lie.OnlyTheFirstTime, false)]
    [InlineData(Lie.Throws, false)]
    [InlineData(Lie.AnotherBlock, false)]
    public void A_back_end_is_taken_only_if_it_answers_as_known(Lie lie, bool taken) => Assert.Equal(taken, new LyingAes(lie).AnswersAsKnown());

    [Fact]
    public void Both_back_ends_answer_as_known_and_libcrypto_is_the_one_in_use_where_it_is()
    {
        Assert.True(AesBackend.Bcl.AnswersAsKnown());
        Assert.Same(AesBackend.Evp ?? AesBackend.Bcl, AesBackend.Default);
        Assert.Equal(LibCrypto.IsComplete, Aes256Gcm.UsesEvp);
        Assert.True(AesBackend.Evp is not { } evp || evp.AnswersAsKnown());
    }

    [Fact]
    public void Where_dotnet_itself_stands_on_OpenSSL_libcrypto_is_found_and_used()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere .NET has other cryptography, and libcrypto may be absent.");
        Assert.True(LibCrypto.IsComplete);
        Assert.NotNull(AesBackend.Evp);
        Assert.Same(AesBackend.Evp, AesBackend.Default);
        Assert.True(Aes256Gcm.UsesEvp);
    }

    [Fact]
    public void A_cipher_of_the_base_class_library_without_a_key_does_no_work()
    {
        using GcmEngine engine = AesBackend.Bcl.CreateGcm();
        Assert.Equal("The cipher has no key.", Assert.Throws<InvalidOperationException>(() => engine.Encrypt([], new byte[12], [], [], new byte[16], [])).Message);
    }

    private sealed class LyingAes(Lie lie) : AesBackend
    {
        internal override GcmEngine CreateGcm() => new LyingGcm(Bcl.CreateGcm(), lie);

        internal override BlockEngine CreateBlock(ReadOnlySpan<byte> key) => new LyingBlock(Bcl.CreateBlock(key), lie);
    }

    private sealed class LyingBlock(BlockEngine inner, Lie lie) : BlockEngine
    {
        internal override void EncryptInPlace(Span<byte> blocks)
        {
            inner.EncryptInPlace(blocks);
            blocks[0] ^= (byte)(lie == Lie.AnotherBlock ? 1 : 0);
        }

        public override void Dispose() => inner.Dispose();
    }

    private sealed class LyingGcm(GcmEngine inner, Lie lie) : GcmEngine
    {
        private int _encrypted;

        internal override void SetKey(ReadOnlySpan<byte> key) => inner.SetKey(key);

        internal override void Encrypt(
            ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> aad)
        {
            if (lie == Lie.Throws)
            {
                throw new CryptographicException("no");
            }
            inner.Encrypt(key, nonce, plaintext, ciphertext, tag, aad);
            ciphertext[0] ^= (byte)(lie == Lie.AnotherCiphertext || (lie == Lie.OnlyTheFirstTime && _encrypted++ > 0) ? 1 : 0);
            tag[3] ^= (byte)(lie == Lie.AnotherTag ? 1 : 0);
        }

        internal override bool Decrypt(
            ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> aad)
        {
            bool verified = inner.Decrypt(key, nonce, ciphertext, tag, plaintext, aad);
            plaintext[0] ^= (byte)(lie == Lie.AnotherPlaintext ? 1 : 0);
            return (verified || lie == Lie.TakesEveryTag) && lie != Lie.TakesNoTag;
        }

        public override void Dispose() => inner.Dispose();
    }
}
