using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>One contract for AES-256-GCM, held by every back end.</summary>
public sealed class Aes256GcmTests
{
    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void Nist_decryption_vectors_open_or_fail_as_they_say(string backend)
    {
        int opened = 0, refused = 0;
        foreach (NistGcmVector vector in NistGcmVector.Read("gcmDecrypt256.rsp"))
        {
            using var gcm = new Aes256Gcm(vector.Key, AesBackends.Get(backend));
            byte[] plaintext = [.. Enumerable.Repeat((byte)0xaa, vector.Ciphertext.Length)];
            bool verified = gcm.Decrypt(vector.Iv, vector.Ciphertext, vector.Tag, plaintext, vector.Aad);
            Assert.Equal(!vector.Fails, verified);
            Assert.Equal(vector.Fails ? new byte[plaintext.Length] : vector.Plaintext, plaintext);
            _ = verified ? opened++ : refused++;
        }
        Assert.True(opened > 100 && refused > 100, $"{opened} opened, {refused} refused: the file is not what it was.");
    }

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void Nist_encryption_vectors_come_out(string backend)
    {
        int count = 0;
        foreach (NistGcmVector vector in NistGcmVector.Read("gcmEncryptExtIV256.rsp"))
        {
            using var gcm = new Aes256Gcm(vector.Key, AesBackends.Get(backend));
            var ciphertext = new byte[vector.Plaintext.Length];
            var tag = new byte[16];
            gcm.Encrypt(vector.Iv, vector.Plaintext, ciphertext, tag, vector.Aad);
            Assert.Equal(vector.Ciphertext, ciphertext);
            Assert.Equal(vector.Tag, tag);
            count++;
        }
        Assert.True(count > 300, $"{count} vectors: the file is not what it was.");
    }

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void Wycheproof_vectors_are_accepted_and_refused_as_they_say(string backend)
    {
        int valid = 0, invalid = 0;
        foreach (JsonObject group in Wycheproof.Groups("aes_gcm_test.json"))
        {
            // Other sizes are not part of this class: it refuses them, see below.
            if (group.Number("keySize") != 256 || group.Number("ivSize") != 96 || group.Number("tagSize") != 128)
            {
                continue;
            }
            foreach (JsonNode? node in group["tests"]!.AsArray())
            {
                JsonObject test = node!.AsObject();
                using var gcm = new Aes256Gcm(test.Bytes("key"), AesBackends.Get(backend));
                byte[] message = test.Bytes("msg");
                byte[] ciphertext = test.Bytes("ct");
                var opened = new byte[ciphertext.Length];
                bool expected = test.Text("result") == "valid";
                Assert.Equal(expected, gcm.Decrypt(test.Bytes("iv"), ciphertext, test.Bytes("tag"), opened, test.Bytes("aad")));
                Assert.Equal(expected ? message : new byte[opened.Length], opened);
                if (expected)
                {
                    var again = new byte[message.Length];
                    var tag = new byte[16];
                    gcm.Encrypt(test.Bytes("iv"), message, again, tag, test.Bytes("aad"));
                    Assert.Equal(ciphertext, again);
                    Assert.Equal(test.Bytes("tag"), tag);
                }
                _ = expected ? valid++ : invalid++;
            }
        }
        Assert.True(valid > 20 && invalid > 10, $"{valid} valid, {invalid} invalid: the file is not what it was.");
    }

    [Fact]
    public void Both_back_ends_agree_at_every_length_around_the_blocks_and_the_switch_to_long_calls()
    {
        using var evp = new Aes256Gcm(Pattern(32, 1), AesBackends.Get("evp"));
        using var bcl = new Aes256Gcm(Pattern(32, 1), AesBackends.Get("bcl"));
        foreach (int length in Enumerable.Range(0, 70).Concat([127, 128, 129, 1023, 2047, 2048, 2049, 4096, 16_384, 65_537, 1 << 20]))
        {
            byte[] nonce = Pattern(12, length);
            byte[] plaintext = Pattern(length, 3);
            byte[] aad = Pattern(length % 5000, 4);
            byte[] one = new byte[length], two = new byte[length], tagOne = new byte[16], tagTwo = new byte[16], opened = new byte[length];
            evp.Encrypt(nonce, plaintext, one, tagOne, aad);
            bcl.Encrypt(nonce, plaintext, two, tagTwo, aad);
            Assert.Equal(two, one);
            Assert.Equal(tagTwo, tagOne);
            Assert.True(evp.Decrypt(nonce, one, tagOne, opened, aad));
            Assert.Equal(plaintext, opened);
        }
    }

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void An_instance_changes_direction_and_key_and_survives_a_wrong_tag(string backend)
    {
        byte[] nonce = Pattern(12, 1), plaintext = Pattern(40, 2), ciphertext = new byte[40], tag = new byte[16], opened = new byte[40], first = new byte[40];
        using var gcm = new Aes256Gcm(Pattern(32, 1), AesBackends.Get(backend));
        gcm.Encrypt(nonce, plaintext, first, tag, []);
        for (int round = 0; round < 3; round++)
        {
            gcm.SetKey(Pattern(32, 1));
            gcm.Encrypt(nonce, plaintext, ciphertext, tag, []);
            Assert.Equal(first, ciphertext);
            byte[] bad = [.. tag];
            bad[15] ^= 1;
            Assert.False(gcm.Decrypt(nonce, ciphertext, bad, opened, []));
            Assert.Equal(new byte[40], opened);
            Assert.True(gcm.Decrypt(nonce, ciphertext, tag, opened, []));
            Assert.Equal(plaintext, opened);
            gcm.Encrypt(nonce, plaintext, ciphertext, tag, []);
            Assert.Equal(first, ciphertext);
            gcm.SetKey(Pattern(32, 9));
            Assert.False(gcm.Decrypt(nonce, ciphertext, tag, opened, []));
        }
    }

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void A_message_is_encrypted_and_decrypted_in_place(string backend)
    {
        byte[] nonce = Pattern(12, 1), plaintext = Pattern(3000, 2), buffer = [.. plaintext], apart = new byte[3000], tag = new byte[16];
        using var gcm = new Aes256Gcm(Pattern(32, 1), AesBackends.Get(backend));
        gcm.Encrypt(nonce, plaintext, apart, tag, []);
        gcm.Encrypt(nonce, buffer, buffer, tag, []);
        Assert.Equal(apart, buffer);
        Assert.True(gcm.Decrypt(nonce, buffer, tag, buffer, []));
        Assert.Equal(plaintext, buffer);
    }

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void Sizes_and_overlaps_that_are_misuse_throw(string backend)
    {
        using var gcm = new Aes256Gcm(Pattern(32, 1), AesBackends.Get(backend));
        byte[] buffer = new byte[64], tag = new byte[16], nonce = new byte[12];
        foreach (int size in new[] { 0, 16, 24, 31, 33 })
        {
            Assert.Throws<ArgumentException>(() => new Aes256Gcm(new byte[size], AesBackends.Get(backend)));
            Assert.Throws<ArgumentException>(() => gcm.SetKey(new byte[size]));
        }
        foreach (int size in new[] { 0, 11, 13, 16 })
        {
            Assert.Throws<ArgumentException>(() => gcm.Encrypt(new byte[size], [], [], tag, []));
        }
        foreach (int size in new[] { 0, 12, 15, 17 })
        {
            Assert.Throws<ArgumentException>(() => gcm.Encrypt(nonce, [], [], new byte[size], []));
            Assert.Throws<ArgumentException>(() => gcm.Decrypt(nonce, [], new byte[size], [], []));
        }
        Assert.Throws<ArgumentException>(() => gcm.Encrypt(nonce, new byte[4], new byte[5], tag, []));
        Assert.Throws<ArgumentException>(() => gcm.Decrypt(nonce, new byte[5], tag, new byte[4], []));
        Assert.Throws<ArgumentException>(() => gcm.Encrypt(nonce, buffer.AsSpan(0, 32), buffer.AsSpan(1, 32), tag, []));
        Assert.Throws<ArgumentException>(() => gcm.Decrypt(nonce, buffer.AsSpan(8, 32), tag, buffer.AsSpan(0, 32), []));
    }

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void A_disposed_instance_does_no_work(string backend)
    {
        var gcm = new Aes256Gcm(Pattern(32, 1), AesBackends.Get(backend));
        gcm.Dispose();
        gcm.Dispose();
        Assert.ThrowsAny<ObjectDisposedException>(() => gcm.Encrypt(new byte[12], new byte[4], new byte[4], new byte[16], []));
        Assert.ThrowsAny<ObjectDisposedException>(() => gcm.Decrypt(new byte[12], new byte[4], new byte[16], new byte[4], []));
        Assert.ThrowsAny<ObjectDisposedException>(() => gcm.SetKey(new byte[32]));
    }

    private static byte[] Pattern(int length, int seed) => [.. Enumerable.Range(0, length).Select(i => (byte)((i * 31) + (seed * 17)))];
}
