using System.Runtime.CompilerServices;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>What a caller may do with an XAES-256-GCM cipher and what not, on both back ends.</summary>
public sealed class XAes256GcmContractTests
{
    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void A_message_that_differs_in_anything_is_refused_and_leaves_zeros(string backend)
    {
        using var cipher = new XAes256Gcm(Pattern(32), AesBackends.Get(backend));
        byte[] nonce = Pattern(24), plaintext = Pattern(50), ciphertext = new byte[50], tag = new byte[16], aad = Pattern(9), opened = new byte[50];
        cipher.Encrypt(nonce, plaintext, ciphertext, tag, aad);
        Assert.True(cipher.Decrypt(nonce, ciphertext, tag, opened, aad));
        Assert.Equal(plaintext, opened);
        foreach (byte[] part in new[] { nonce, ciphertext, tag, aad })
        {
            for (int at = 0; at < part.Length; at++)
            {
                part[at] ^= 0x40;
                plaintext.CopyTo(opened, 0);
                Assert.False(cipher.Decrypt(nonce, ciphertext, tag, opened, aad));
                Assert.Equal(new byte[50], opened);
                part[at] ^= 0x40;
            }
        }
    }

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void Sizes_and_overlaps_that_are_misuse_are_told_what_they_are(string backend)
    {
        AesBackend engine = AesBackends.Get(backend);
        using var cipher = new XAes256Gcm(Pattern(32), engine);
        byte[] nonce = new byte[24], tag = new byte[16], buffer = new byte[64];
        Assert.Equal("An AES-256 key has 32 bytes. (Parameter 'key')", Misuse(() => new XAes256Gcm(new byte[31], engine)));
        Assert.Equal("The nonce has 24 bytes and the tag 16.", Misuse(() => cipher.Encrypt(new byte[23], [], [], tag, [])));
        Assert.Equal("The nonce has 24 bytes and the tag 16.", Misuse(() => cipher.Decrypt(nonce, [], new byte[15], [], [])));
        Assert.Equal("Plaintext and ciphertext have the same length.", Misuse(() => cipher.Encrypt(nonce, new byte[4], new byte[5], tag, [])));
        Assert.Equal("Plaintext and ciphertext overlap without being the same memory.", Misuse(() => cipher.Encrypt(nonce, buffer.AsSpan(0, 32), buffer.AsSpan(1, 32), tag, [])));
        Assert.Equal("Plaintext and ciphertext overlap without being the same memory.", Misuse(() => cipher.Decrypt(nonce, buffer.AsSpan(1, 32), tag, buffer.AsSpan(0, 32), [])));
        cipher.Encrypt(nonce, buffer.AsSpan(0, 32), buffer.AsSpan(32, 32), tag, []);
        cipher.Encrypt(nonce, buffer, buffer, tag, []);
    }

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void A_disposed_cipher_does_no_work_and_has_no_subkey_left(string backend)
    {
        var cipher = new XAes256Gcm(Pattern(32), AesBackends.Get(backend));
        byte[] subkey = SubkeyOf(cipher);
        Assert.Contains(subkey, value => value != 0);
        cipher.Dispose();
        Assert.DoesNotContain(subkey, value => value != 0);
        Assert.ThrowsAny<Exception>(() => cipher.Encrypt(new byte[24], [], [], new byte[16], []));
        Assert.Throws<ObjectDisposedException>(() => EngineOf(cipher).SetKey(new byte[32]));
        cipher.Dispose();
    }

    // RFC 4493's subkeys, whose doubling has a carry in one and none in the other: K of its section 4 is AES-128's, so these are made with the BCL.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void The_subkey_is_the_double_of_the_encrypted_zero_block(byte seed)
    {
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)(i * (seed + 3)))];
        using var aes = System.Security.Cryptography.Aes.Create();
        aes.Key = key;
        UInt128 zero = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(aes.EncryptEcb(new byte[16], System.Security.Cryptography.PaddingMode.None));
        UInt128 doubled = (zero << 1) ^ (zero >> 127 == 1 ? 0x87u : 0);
        using var cipher = new XAes256Gcm(key);
        Assert.Equal(doubled, System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(SubkeyOf(cipher)));
    }

    private static string Misuse(Action action) => Assert.Throws<ArgumentException>(action).Message;

    private static byte[] Pattern(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)((i * 37) + length))];

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_k1")]
    private static extern ref byte[] SubkeyOf(XAes256Gcm cipher);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_gcm")]
    private static extern ref GcmEngine EngineOf(XAes256Gcm cipher);
}
