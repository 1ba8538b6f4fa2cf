using System.Buffers;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>Every way of making an archive, with the salt given so that all must give the same bytes.</summary>
internal static class MakePaths
{
    public static TheoryData<string> Names => [.. All.Keys];

    private static readonly Dictionary<string, Func<byte[], byte[], byte[], SecretBuffer, byte[], Task<byte[]>>> All = new()
    {
        ["stream, 1 worker"] = (header, context, salt, key, plaintext) => Stream(header, context, salt, key, plaintext, 1),
        ["stream, 3 workers"] = (header, context, salt, key, plaintext) => Stream(header, context, salt, key, plaintext, 3),
        ["push, whole"] = (header, context, salt, key, plaintext) => Push(header, context, salt, key, plaintext, plaintext.Length + 1),
        ["push, 1 byte"] = (header, context, salt, key, plaintext) => Push(header, context, salt, key, plaintext, 1),
        ["push, 16383 bytes"] = (header, context, salt, key, plaintext) => Push(header, context, salt, key, plaintext, 16383),
        ["push, 16385 bytes"] = (header, context, salt, key, plaintext) => Push(header, context, salt, key, plaintext, 16385),
    };

    public static Task<byte[]> Make(string path, byte[] header, byte[] context, byte[] salt, SecretBuffer key, byte[] plaintext) =>
        All[path](header, context, salt, key, plaintext);

    /// <summary>By the public constructor, with a random salt.</summary>
    public static byte[] Push(ArchiveHeader header, byte[] plaintext, int piece)
    {
        using SecretBuffer key = Sample.DataKey();
        using var encryptor = new ChunkEncryptor(header, key);
        return Push(encryptor, plaintext, piece);
    }

    private static async Task<byte[]> Stream(byte[] header, byte[] context, byte[] salt, SecretBuffer key, byte[] plaintext, int workers)
    {
        using var output = new MemoryStream();
        ArchiveSummary summary = await ArchiveEncryptor.EncryptAsync(
            new TricklingStream(plaintext), output, header, key, salt, context, new ArchiveOptions { Workers = workers }, default);
        Assert.Equal(new ArchiveSummary(plaintext.Length, output.Length), summary);
        return output.ToArray();
    }

    private static Task<byte[]> Push(byte[] header, byte[] context, byte[] salt, SecretBuffer key, byte[] plaintext, int piece)
    {
        using var encryptor = new ChunkEncryptor(header, key, salt, context);
        return Task.FromResult(Push(encryptor, plaintext, piece));
    }

    private static byte[] Push(ChunkEncryptor encryptor, byte[] plaintext, int piece)
    {
        var output = new ArrayBufferWriter<byte>();
        for (int at = 0; at < plaintext.Length; at += piece)
        {
            encryptor.Write(plaintext.AsSpan(at, Math.Min(piece, plaintext.Length - at)), output);
        }

        encryptor.Finish(output);
        Assert.Equal(plaintext.Length, encryptor.PlaintextBytes);
        Assert.Equal(output.WrittenCount, encryptor.ArchiveBytes);
        return output.WrittenSpan.ToArray();
    }
}
