using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>C2SP XAES-256-GCM: the specification's own vectors, on both back ends.</summary>
public sealed class XAes256GcmTests
{
    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void The_two_vectors_of_the_specification_come_out(string backend)
    {
        foreach ((byte key, string aad, string derived, string ciphertext) in new[]
        {
            ((byte)1, "", "c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b",
                "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
            ((byte)3, "c2sp.org/XAES-256-GCM", "e9c621d4cdd9b11b00a6427ad7e559aeedd66b3857646677748f8ca796cb3fd8",
                "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
        })
        {
            using var cipher = new XAes256Gcm(Enumerable.Repeat(key, 32).ToArray(), AesBackends.Get(backend));
            byte[] nonce = "ABCDEFGHIJKLMNOPQRSTUVWX"u8.ToArray();
            byte[] plaintext = "XAES-256-GCM"u8.ToArray();
            var body = new byte[plaintext.Length + 16];
            var subkey = new byte[32];
            cipher.DeriveKey(nonce.AsSpan(0, 12), subkey);
            cipher.Encrypt(nonce, plaintext, body.AsSpan(0, plaintext.Length), body.AsSpan(plaintext.Length), Encoding.ASCII.GetBytes(aad));
            Assert.Equal(derived, Convert.ToHexStringLower(subkey));
            Assert.Equal(ciphertext, Convert.ToHexStringLower(body));
        }
    }

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void The_accumulated_hash_over_ten_thousand_messages_comes_out(string backend) =>
        Assert.Equal("e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939", Accumulated(AesBackends.Get(backend), 10_000));

    internal static string Accumulated(AesBackend engine, int messages)
    {
        Assert.SkipUnless(Shake128.IsSupported, "SHAKE-128 needs OpenSSL 1.1.1 or later");
        // All of the stream at once, because reading piece by piece needs OpenSSL 3.3: 32 + 24 + 2 lengths + twice 127.5 bytes a message, and a margin.
        ReadOnlySpan<byte> random = Shake128.HashData([], messages * 320);
        int at = 0;
        using var accumulated = new Shake128();
        for (int i = 0; i < messages; i++)
        {
            byte[] key = Take(random, ref at, 32);
            byte[] nonce = Take(random, ref at, 24);
            byte[] plaintext = Take(random, ref at, random[at++]);
            byte[] aad = Take(random, ref at, random[at++]);
            var ciphertext = new byte[plaintext.Length];
            var tag = new byte[16];
            var opened = new byte[plaintext.Length];
            using var cipher = new XAes256Gcm(key, engine);
            cipher.Encrypt(nonce, plaintext, ciphertext, tag, aad);
            accumulated.AppendData(ciphertext);
            accumulated.AppendData(tag);
            if (!cipher.Decrypt(nonce, ciphertext, tag, opened, aad) || !opened.AsSpan().SequenceEqual(plaintext))
            {
                Assert.Fail($"Message {i} does not open.");
            }
        }
        return Convert.ToHexStringLower(accumulated.GetHashAndReset(32));
    }

    private static byte[] Take(ReadOnlySpan<byte> random, ref int at, int length)
    {
        at += length;
        return random.Slice(at - length, length).ToArray();
    }
}
