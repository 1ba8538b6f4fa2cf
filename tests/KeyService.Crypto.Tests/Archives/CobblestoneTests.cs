using System.Buffers;
using System.Numerics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using KeyService.Crypto;
using KeyService.Crypto.Archives;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Archives;

/// <summary>The payload alone: against what others publish for Cobblestone-256, and against the vectors of the second implementation.</summary>
public sealed class CobblestoneTests
{
    private const string File = "cobblestone.json";

    // Project Wycheproof, c2sp_chunked_encryption_aes_256_gcm_test.json, tests 1 and 2: key, derived key, base nonce, ciphertext.
    private const string Key = "59454c4c4f57205355424d4152494e452059454c4c4f57205355424d4152494e";

    [Theory]
    [InlineData(
        "781b72bce3c966fffb09e5d596e1d21b029b21a9599852fb9b9f644e23b86ae8",
        "f206a92ac0ba380c8e9e3843",
        "43a2e39431cbae0389d3fc86adf46f7c3a24de88d9311617e53f3164cc1d5dc738a66b97f0bf786565c31799c2f463d50a7e10046011dc6fc3c939e3a5db7affb6191551669554fb")]
    [InlineData(
        "14769f63d5e1008908efe8662d188e058d05be2ef94d5b4bc626bc33be412568",
        "e73f670906cb3124dea731e1",
        "a1a1b56f6db58cd1ede0c5c9db62aef20d3f96a6c594bb9252bb38122de91236502b42a1d7fcab820ffa292940d2f86add212cfa42c38df19d3cc9139ee61a5990d3db57433514229beea49a8a72bd")]
    public void A_published_message_is_derived_opened_and_made_again(string derivedKey, string baseNonce, string ciphertext)
    {
        byte[] message = Convert.FromHexString(ciphertext);
        using SecretBuffer key = SecretBuffer.CopyOf(Convert.FromHexString(Key));
        using MessageKeys keys = MessageKeys.Derive(key, message.AsSpan(0, 24), []);
        Assert.Equal(derivedKey, Convert.ToHexStringLower(keys.Key));
        Assert.Equal(baseNonce, Convert.ToHexStringLower(keys.BaseNonce));
        Opened opened = Open(message, key, []);
        Assert.Null(opened.Fault);
        Assert.Equal(message, Make(opened.Content, key, message[..24], []));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(65_536)]
    [InlineData(0x0123456789)]
    [InlineData((1L << 38) - 1)]
    public void The_nonce_of_a_chunk_is_the_base_nonce_xor_its_number_as_96_bit_integer(long number)
    {
        using SecretBuffer key = SecretBuffer.CopyOf(Convert.FromHexString(Key));
        using MessageKeys keys = MessageKeys.Derive(key, new byte[24], []);
        using var cipher = new ChunkCipher(keys);
        byte[] chunk = new byte[3 + 16];
        cipher.Seal((ulong)number, "abc"u8, chunk);

        byte[] nonce = (new BigInteger(keys.BaseNonce, isUnsigned: true, isBigEndian: true) ^ number).ToByteArray(isUnsigned: true, isBigEndian: true);
        nonce = [.. new byte[12 - nonce.Length], .. nonce];
        using var gcm = new Aes256Gcm(keys.Key);
        byte[] plaintext = new byte[3];
        Assert.True(gcm.Decrypt(nonce, chunk.AsSpan(0, 3), chunk.AsSpan(3), plaintext, []));
        Assert.Equal("abc"u8.ToArray(), plaintext);
    }

    /// <summary>tests/vectors/cobblestone.json, made by the second implementation.</summary>
    [Fact]
    public async Task Every_positive_vector_comes_out_and_opens_on_every_path()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            string name = vector.Text("name");
            byte[] context = vector.Bytes("context");
            byte[] content = Sample.Plaintext(vector.Number("plaintextLength"));
            using SecretBuffer key = SecretBuffer.CopyOf(vector.Bytes("key"));
            using MessageKeys keys = MessageKeys.Derive(key, vector.Bytes("salt"), context);
            Assert.Equal(vector.Bytes("derivedKey"), keys.Key);
            Assert.Equal(vector.Bytes("baseNonce"), keys.BaseNonce);
            Assert.Equal(vector.Bytes("commitment"), keys.Commitment);
            byte[] message = Make(content, key, vector.Bytes("salt"), context);
            Assert.True(vector.Number("messageLength") == message.Length && vector.Text("messageSha256") == Convert.ToHexStringLower(SHA256.HashData(message)), name);
            Assert.True(vector["message"] is null || vector.Text("message") == Convert.ToHexStringLower(message), name);

            Opened pushed = Open(message, key, context);
            Assert.True(pushed.Fault is null && pushed.Content.AsSpan().SequenceEqual(content), name);
            using var streamed = new MemoryStream();
            await ArchiveDecryptor.DecryptAsync(new TricklingStream(message), context, key, streamed, null, default);
            Assert.True(streamed.ToArray().AsSpan().SequenceEqual(content), name);
            using ArchiveRangeReader reader = ArchiveRangeReader.Open(new MemoryStream(message), 0, context, key);
            byte[] read = new byte[reader.Length];
            Assert.True(reader.ReadAt(0, read) == content.Length && read.AsSpan().SequenceEqual(content), name);
        }
    }

    [Fact]
    public async Task Every_negative_vector_is_refused_on_every_path_and_releases_only_what_verified()
    {
        Dictionary<string, JsonObject> positive = Vectors.List(File, "positive").ToDictionary(vector => vector.Text("name"));
        foreach (JsonObject vector in Vectors.List(File, "negative"))
        {
            string name = vector.Text("name");
            JsonObject of = positive[vector.Text("of")];
            byte[] content = Sample.Plaintext(of.Number("plaintextLength"));
            using SecretBuffer sealing = SecretBuffer.CopyOf(of.Bytes("key"));
            byte[] message = Edited(Make(content, sealing, of.Bytes("salt"), of.Bytes("context")), vector["edit"]!.AsObject());
            byte[] context = vector.Bytes("context");
            using SecretBuffer key = SecretBuffer.CopyOf(vector.Bytes("key"));

            Opened pushed = Open(message, key, context);
            Assert.True(pushed.Fault.ToString() == vector.Text("fault"), $"{name}: {pushed.Fault}");
            Assert.True(pushed.Content.Length == vector.Number("released") && content.AsSpan().StartsWith(pushed.Content), $"{name}: {pushed.Content.Length} bytes");
            using var streamed = new MemoryStream();
            await Assert.ThrowsAsync<ArchiveException>(() => ArchiveDecryptor.DecryptAsync(new TricklingStream(message), context, key, streamed, null, default));
            Assert.True(content.AsSpan().StartsWith(streamed.ToArray()), name);
            Assert.Throws<ArchiveException>(() =>
            {
                using ArchiveRangeReader reader = ArchiveRangeReader.Open(new MemoryStream(message), 0, context, key);
                reader.ReadAt(0, new byte[reader.Length]);
            });
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    [InlineData(31)]
    [InlineData(33)]
    [InlineData(64)]
    public void A_key_of_another_length_is_misuse(int length)
    {
        using SecretBuffer? key = length == 0 ? null : new SecretBuffer(length);
        Assert.ThrowsAny<ArgumentException>(() => Open([], key!, []));
        Assert.ThrowsAny<ArgumentException>(() => Make([], key!, new byte[24], []));
    }

    private static byte[] Edited(byte[] message, JsonObject edit)
    {
        const int Prefix = ArchiveFormat.PayloadPrefixLength;
        const int Sealed = ArchiveFormat.SealedChunkLength;
        message = message[..(edit["length"]?.GetValue<int>() ?? message.Length)];
        if (edit["flip"] is { } flip)
        {
            message[flip.GetValue<int>()] ^= 0x01;
        }
        if (edit["swapChunks"] is JsonArray swap)
        {
            Span<byte> one = message.AsSpan(Prefix + (swap[0]!.GetValue<int>() * Sealed), Sealed), other = message.AsSpan(Prefix + (swap[1]!.GetValue<int>() * Sealed), Sealed);
            byte[] held = one.ToArray();
            other.CopyTo(one);
            held.CopyTo(other);
        }
        return [.. message, .. Convert.FromHexString(edit["append"]?.GetValue<string>() ?? "")];
    }

    private static Opened Open(byte[] message, SecretBuffer key, byte[] context)
    {
        var output = new ArrayBufferWriter<byte>();
        using var decryptor = new ChunkDecryptor(key, context);
        try
        {
            decryptor.Write(message, output);
            decryptor.Finish(output);
            return new Opened(output.WrittenSpan.ToArray(), null);
        }
        catch (ArchiveException e)
        {
            return new Opened(output.WrittenSpan.ToArray(), e.Fault);
        }
    }

    private static byte[] Make(byte[] content, SecretBuffer key, byte[] salt, byte[] context)
    {
        var output = new ArrayBufferWriter<byte>();
        using var encryptor = new ChunkEncryptor([], key, salt, context);
        encryptor.Write(content, output);
        encryptor.Finish(output);
        return output.WrittenSpan.ToArray();
    }
}
