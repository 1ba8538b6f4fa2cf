using System.Buffers;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>What came out of an archive: content and no fault, or a fault and the verified beginning that was released.</summary>
internal readonly record struct Opened(byte[] Content, ArchiveFault? Fault);

/// <summary>Every way of opening an archive.</summary>
internal static class OpenPaths
{
    public static TheoryData<string> Names => [.. All.Keys];

    public static IEnumerable<string> NameList => All.Keys;

    private static readonly Dictionary<string, Func<byte[], SecretBuffer, Task<Opened>>> All = new()
    {
        ["stream, 1 worker"] = (archive, key) => Stream(new TricklingStream(archive), key, 1),
        ["stream, 3 workers"] = (archive, key) => Stream(new TricklingStream(archive), key, 3),
        ["seekable stream"] = (archive, key) => Stream(new MemoryStream(archive), key, 2),
        ["push, whole"] = (archive, key) => Push(archive, key, archive.Length + 1),
        ["push, 1 byte"] = (archive, key) => Push(archive, key, 1),
        ["push, 16399 bytes"] = (archive, key) => Push(archive, key, 16399),
        ["push, 16401 bytes"] = (archive, key) => Push(archive, key, 16401),
        ["push, a sequence of pieces"] = PushSequence,
        ["read stream, 1 worker"] = (archive, key) => ReadStream(new TricklingStream(archive), key, 1, 70_000, synchronously: true),
        ["read stream, 3 workers"] = (archive, key) => ReadStream(new TricklingStream(archive), key, 3, 16_384, synchronously: false),
        ["read stream over a seekable one"] = (archive, key) => ReadStream(new MemoryStream(archive), key, 2, 2_000_000, synchronously: false),
        ["seekable stream, read through"] = ReadSeekable,
        ["ranges, whole"] = (archive, key) => Ranges(archive, key, int.MaxValue),
        ["ranges, 5000 bytes backwards"] = (archive, key) => Ranges(archive, key, 5000),
    };

    public static Task<Opened> Open(string path, byte[] archive, SecretBuffer key) => All[path](archive, key);

    private static async Task<Opened> Stream(Stream archive, SecretBuffer key, int workers)
    {
        using var output = new MemoryStream();
        try
        {
            ArchiveHeader header = await ArchiveDecryptor.ReadHeaderAsync(archive);
            ArchiveSummary summary = await ArchiveDecryptor.DecryptAsync(archive, header, key, output, new ArchiveOptions { Workers = workers });
            Assert.Equal(output.Length, summary.PlaintextBytes);
            return new Opened(output.ToArray(), null);
        }
        catch (ArchiveException e)
        {
            return new Opened(output.ToArray(), e.Fault);
        }
    }

    private static Task<Opened> Push(byte[] archive, SecretBuffer key, int piece)
    {
        var output = new ArrayBufferWriter<byte>();
        ChunkDecryptor? decryptor = null;
        try
        {
            var headerReader = new ArchiveHeaderReader();
            for (int at = 0; at < archive.Length; at += piece)
            {
                ReadOnlySpan<byte> bytes = archive.AsSpan(at, Math.Min(piece, archive.Length - at));
                if (decryptor is null)
                {
                    bytes = bytes[headerReader.Write(bytes)..];
                    if (headerReader.Header is null)
                    {
                        continue;
                    }

                    decryptor = new ChunkDecryptor(headerReader.Header, key);
                }

                decryptor.Write(bytes, output);
            }

            decryptor ??= new ChunkDecryptor(headerReader.Finish(), key);
            decryptor.Finish(output);
            Assert.Equal(output.WrittenCount, decryptor.PlaintextBytes);
            return Task.FromResult(new Opened(output.WrittenSpan.ToArray(), null));
        }
        catch (ArchiveException e)
        {
            return Task.FromResult(new Opened(output.WrittenSpan.ToArray(), e.Fault));
        }
        finally
        {
            decryptor?.Dispose();
        }
    }

    private static Task<Opened> PushSequence(byte[] archive, SecretBuffer key)
    {
        var output = new ArrayBufferWriter<byte>();
        try
        {
            ArchiveHeader header = ArchiveHeader.Parse(archive);
            using var decryptor = new ChunkDecryptor(header, key);
            decryptor.Write(Pieces.Of(archive.AsMemory(header.Length), 4093), output);
            decryptor.Finish(output);
            return Task.FromResult(new Opened(output.WrittenSpan.ToArray(), null));
        }
        catch (ArchiveException e)
        {
            return Task.FromResult(new Opened(output.WrittenSpan.ToArray(), e.Fault));
        }
    }

    private static async Task<Opened> ReadStream(Stream archive, SecretBuffer key, int workers, int piece, bool synchronously)
    {
        var output = new MemoryStream();
        byte[] buffer = new byte[piece];
        try
        {
            ArchiveHeader header = await ArchiveDecryptor.ReadHeaderAsync(archive);
            await using ArchiveReadStream stream =
                await ArchiveReadStream.OpenAsync(archive, header, key, new ArchiveOptions { Workers = workers });
            while (true)
            {
                int read = synchronously ? stream.Read(buffer) : await stream.ReadAsync(buffer);
                if (read == 0)
                {
                    Assert.True(stream.IsWhole);
                    Assert.Equal(output.Length, stream.PlaintextBytes);
                    return new Opened(output.ToArray(), null);
                }

                output.Write(buffer, 0, read);
            }
        }
        catch (ArchiveException e)
        {
            return new Opened(output.ToArray(), e.Fault);
        }
    }

    private static async Task<Opened> ReadSeekable(byte[] archive, SecretBuffer key)
    {
        var output = new MemoryStream();
        try
        {
            await using ArchiveSeekableStream stream = ArchiveSeekableStream.Open(new MemoryStream(archive), ArchiveHeader.Parse(archive), key);
            await stream.CopyToAsync(output, 50_000);
            return new Opened(output.ToArray(), null);
        }
        catch (ArchiveException e)
        {
            return new Opened(output.ToArray(), e.Fault);
        }
    }

    private static Task<Opened> Ranges(byte[] archive, SecretBuffer key, int piece)
    {
        try
        {
            using var stream = new MemoryStream(archive);
            using ArchiveRangeReader reader = ArchiveRangeReader.Open(stream, ArchiveHeader.Parse(archive), key);
            byte[] content = new byte[reader.Length];
            for (int end = content.Length; end > 0; end -= Math.Min(piece, end))
            {
                Span<byte> range = content.AsSpan(end - Math.Min(piece, end), Math.Min(piece, end));
                Assert.Equal(range.Length, reader.ReadAt(end - range.Length, range));
            }

            return Task.FromResult(new Opened(content, null));
        }
        catch (ArchiveException e)
        {
            // A range reader reads any range that verifies, the whole or nothing is a question of the caller.
            return Task.FromResult(new Opened([], e.Fault));
        }
    }
}
