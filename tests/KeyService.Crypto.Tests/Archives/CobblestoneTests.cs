using System.Buffers;
using System.IO.Compression;
using System.Numerics;
using System.Security.Cryptography;
using System.Text.Json;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>The payload alone against what others publish for Cobblestone-256.</summary>
public sealed class CobblestoneTests
{
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

    [Fact]
    public async Task Every_vector_of_Wycheproof_holds_where_the_file_is_at_hand()
    {
        string file = Path.Combine(SharedData(), "wycheproof", "c2sp_chunked_encryption_aes_256_gcm_test.json");
        if (!File.Exists(file))
        {
            Assert.Skip("Wycheproof's vectors of Cobblestone-256 are not at hand.");
        }

        using JsonDocument document = JsonDocument.Parse(await File.ReadAllBytesAsync(file));
        int held = 0;
        foreach (JsonElement test in document.RootElement.GetProperty("testGroups")[0].GetProperty("tests").EnumerateArray())
        {
            await Hold(test);
            held++;
        }

        Assert.Equal(document.RootElement.GetProperty("numberOfTests").GetInt32(), held);
    }

    private static async Task Hold(JsonElement test)
    {
        string id = $"Wycheproof test {test.GetProperty("tcId").GetInt32()}";
        bool valid = test.GetProperty("result").GetString() == "valid";
        using SecretBuffer key = SecretBuffer.CopyOf(Convert.FromHexString(test.GetProperty("key").GetString()!));
        byte[] context = Convert.FromHexString(test.GetProperty("ctx").GetString()!);
        using var compressed = new MemoryStream(Convert.FromHexString(test.GetProperty("ct").GetString()!));
        using var zlib = new ZLibStream(compressed, CompressionMode.Decompress);
        using var inflated = new MemoryStream();
        await zlib.CopyToAsync(inflated);
        byte[] message = inflated.ToArray();
        if (key.Length != 32)
        {
            Assert.Throws<ArgumentException>(() => Open(message, key, context));
            return;
        }

        Opened pushed = Open(message, key, context);
        Assert.True(pushed.Fault is null == valid, id);
        int prefix = test.TryGetProperty("msgLength", out JsonElement length) ? length.GetInt32() : 0;
        Assert.True(pushed.Content.Length == prefix, id);
        if (prefix > 0)
        {
            Assert.True(Convert.ToHexStringLower(SHA512.HashData(pushed.Content)) == test.GetProperty("msgSha512").GetString(), id);
        }

        using var streamed = new MemoryStream();
        var pipe = new TricklingStream(message);
        Task Decrypt() => ArchiveDecryptor.DecryptAsync(pipe, context, key, streamed, null, default);
        if (valid)
        {
            await Decrypt();
            Assert.True(streamed.ToArray().AsSpan().SequenceEqual(pushed.Content), id);
            Assert.True(Make(pushed.Content, key, message[..24], context).AsSpan().SequenceEqual(message), id);
        }
        else
        {
            await Assert.ThrowsAsync<ArchiveException>(Decrypt);
            Assert.True(streamed.Length <= prefix, id);
        }

        bool ranged = !valid && !test.GetProperty("flags").EnumerateArray().Any(flag => flag.GetString() == "ValidFinalChunk");
        if (ranged)
        {
            Assert.Throws<ArchiveException>(() => ArchiveRangeReader.Open(new MemoryStream(message), 0, context, key));
        }
        else
        {
            using ArchiveRangeReader reader = ArchiveRangeReader.Open(new MemoryStream(message), 0, context, key);
            byte[] content = new byte[reader.Length];
            Assert.True(valid ? reader.ReadAt(0, content) == prefix : Record.Exception(() => reader.ReadAt(0, content)) is ArchiveException, id);
        }
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

    private static string SharedData() =>
        Environment.GetEnvironmentVariable("KEYSERVICE_SHARED_DATA") ?? Path.Combine(ArchiveVectors.Root, "..", "shared", "data");
}
