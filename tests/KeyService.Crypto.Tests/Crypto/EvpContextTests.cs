using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>What libcrypto refuses is an exception and leaves nothing in its queue of errors; what was disposed of is freed.</summary>
public sealed partial class EvpContextTests
{
    public EvpContextTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "Looks into the libcrypto of Linux.");

    [Fact]
    public void A_context_without_a_cipher_is_refused()
    {
        var refused = Assert.Throws<CryptographicException>(() => EvpContext.Create(0));
        Assert.Equal("libcrypto refused an AES operation.", refused.Message);
        Assert.Equal(0u, PeekError());
    }

    [Fact]
    public void What_libcrypto_refuses_is_told_and_its_errors_are_taken_away()
    {
        using EvpContext context = EvpContext.Create(LibCrypto.Aes256Gcm);
        context.StartEncryption(new byte[32], new byte[12]);
        Assert.Throws<CryptographicException>(() => context.FinishEncryption(new byte[17]));
        Assert.Equal(0u, PeekError());
    }

    [Fact]
    public void A_wrong_tag_is_no_exception_and_leaves_no_error()
    {
        using EvpContext context = EvpContext.Create(LibCrypto.Aes256Gcm);
        context.StartDecryption(new byte[32], new byte[12]);
        Assert.False(context.FinishDecryption(new byte[16]));
        Assert.Equal(0u, PeekError());
    }

    [Fact]
    public void A_disposed_cipher_has_freed_both_its_contexts_and_its_subkey()
    {
        var cipher = new XAes256Gcm(new byte[32]);
        EvpContext block = ContextOf((EvpBlockEngine)BlockOf(cipher)), gcm = ContextOf((EvpGcmEngine)GcmOf(cipher));
        byte[] subkey = SubkeyOf(cipher);
        Assert.False(block.IsClosed || gcm.IsClosed);
        Assert.Contains(subkey, value => value != 0);
        // Pinned: the collector makes no copies of it.
        Assert.Equal(GC.MaxGeneration, GC.GetGeneration(subkey));

        cipher.Dispose();
        Assert.True(block.IsClosed && gcm.IsClosed);
        Assert.DoesNotContain(subkey, value => value != 0);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_block")]
    private static extern ref BlockEngine BlockOf(XAes256Gcm cipher);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_gcm")]
    private static extern ref GcmEngine GcmOf(XAes256Gcm cipher);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_k1")]
    private static extern ref byte[] SubkeyOf(XAes256Gcm cipher);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_context")]
    private static extern ref EvpContext ContextOf(EvpBlockEngine engine);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_context")]
    private static extern ref EvpContext ContextOf(EvpGcmEngine engine);

    [LibraryImport("libcrypto.so.3", EntryPoint = "ERR_peek_error")]
    private static partial nuint PeekError();
}
