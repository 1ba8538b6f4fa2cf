using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>The seekable stream against a MemoryStream that does the same, and under damage.</summary>
public sealed class ArchiveSeekableStreamTests : IDisposable
{
    private readonly SecretBuffer _key = Sample.DataKey();
    private readonly string _directory = Directory.CreateTempSubdirectory("keyservice-test-").FullName;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(16_383)]
    [InlineData(16_384)]
    [InlineData(16_385)]
    [InlineData(1_000_003)]
    public async Task Any_walk_of_seeks_and_reads_gives_what_a_memory_stream_gives(int length)
    {
        byte[] content = Sample.Plaintext(length);
        byte[] archive = Sample.Archive(length);
        string path = WriteFile(archive);
        foreach (Func<Stream> open in new Func<Stream>[]
                 {
                     () => new MemoryStream(archive), () => File.OpenRead(path),
                     () => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.Asynchronous),
                 })
        {
            await using ArchiveSeekableStream stream = Open(open());
            var model = new MemoryStream(content);
            var random = new Random(length);
            Assert.Equal(model.Length, stream.Length);
            for (int step = 0; step < 400; step++)
            {
                await StepAsync(stream, model, random);
                Assert.Equal(model.Position, stream.Position);
            }
        }
    }

    private static async Task StepAsync(Stream stream, MemoryStream model, Random random)
    {
        switch (random.Next(4))
        {
            case 0:
                stream.Position = model.Position = random.NextInt64(model.Length + 20);
                break;
            case 1:
                long back = -random.NextInt64(model.Position + 1);
                Assert.Equal(model.Seek(back, SeekOrigin.Current), stream.Seek(back, SeekOrigin.Current));
                break;
            case 2:
                long fromEnd = -random.NextInt64(model.Length + 1);
                Assert.Equal(model.Seek(fromEnd, SeekOrigin.End), stream.Seek(fromEnd, SeekOrigin.End));
                break;
            default:
                int[] sizes = [0, 1, 100, 16_384, 16_385, 40_000, 300_000, 2_000_000];
                byte[] wanted = new byte[sizes[random.Next(sizes.Length)]];
                byte[] got = new byte[wanted.Length];
                int expected = model.Read(wanted);
                Assert.Equal(expected, random.Next(2) == 0 ? stream.Read(got) : await stream.ReadAsync(got));
                Assert.True(wanted.AsSpan().SequenceEqual(got));
                break;
        }
    }

    [Fact]
    public void Positions_before_the_beginning_are_refused_and_behind_the_end_nothing_comes()
    {
        using ArchiveSeekableStream stream = Open(new MemoryStream(Sample.Archive(100)));
        Assert.Throws<IOException>(() => stream.Position = -1);
        Assert.Throws<IOException>(() => stream.Seek(-101, SeekOrigin.End));
        Assert.Throws<IOException>(() => stream.Seek(long.MaxValue, SeekOrigin.End));
        stream.Position = long.MaxValue;
        Assert.Equal(0, stream.Read(new byte[10]));
        Assert.Throws<NotSupportedException>(() => stream.Write(new byte[1]));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(1));
    }

    [Fact]
    public async Task Damage_shows_where_it_is_read_and_nowhere_else()
    {
        const int Length = 40 * ArchiveFormat.ChunkLength;
        const int Bad = 20;
        byte[] archive = Sample.Archive(Length);
        byte[] content = Sample.Plaintext(Length);
        archive[Sample.ChunksAt + (Bad * ArchiveFormat.SealedChunkLength) + 77] ^= 1;
        await using ArchiveSeekableStream stream = Open(new MemoryStream(archive));
        for (int chunk = 0; chunk < 40; chunk++)
        {
            byte[] part = [.. Enumerable.Repeat((byte)0xEE, 100)];
            stream.Position = (chunk * ArchiveFormat.ChunkLength) + 10;
            if (chunk == Bad)
            {
                Assert.Equal(ArchiveFault.VerificationFailed, Assert.Throws<ArchiveException>(() => stream.Read(part)).Fault);
                Assert.Equal(new byte[100], part);
                Assert.Equal((chunk * ArchiveFormat.ChunkLength) + 10, stream.Position);
            }
            else
            {
                Assert.Equal(100, await stream.ReadAsync(part));
                Assert.True(content.AsSpan((chunk * ArchiveFormat.ChunkLength) + 10, 100).SequenceEqual(part));
            }
        }

        // A read over many chunks, the bad one in its middle: nothing of it stays in the destination.
        byte[] wide = [.. Enumerable.Repeat((byte)0xEE, 10 * ArchiveFormat.ChunkLength)];
        stream.Position = 15 * ArchiveFormat.ChunkLength;
        await Assert.ThrowsAsync<ArchiveException>(async () => await stream.ReadExactlyAsync(wide));
        Assert.Equal(new byte[wide.Length], wide);
    }

    [Fact]
    public void Truncated_extended_or_another_context_does_not_even_open()
    {
        byte[] archive = Sample.Archive(100_000);
        foreach (byte[] bad in new[] { archive[..^1], archive[..^16_400], [.. archive, 0], archive[..(Sample.HeaderLength + 20)] })
        {
            Assert.Throws<ArchiveException>(() => Open(new MemoryStream(bad)));
        }

        ArchiveHeader elsewhere = ArchiveHeader.Create(new byte[16], EncryptionContext.Empty, "dump.sql", Sample.Wrapped(1));
        Assert.Throws<ArchiveException>(() => ArchiveSeekableStream.Open(new MemoryStream(archive), elsewhere, _key));
        using SecretBuffer other = Sample.DataKey(first: 9);
        Assert.Throws<ArchiveException>(() => ArchiveSeekableStream.Open(new MemoryStream(archive), Sample.Header(), other));
    }

    [Fact]
    public void A_file_cut_while_it_is_read_is_damage()
    {
        string path = WriteFile(Sample.Archive(1_000_000));
        using ArchiveSeekableStream stream = Open(File.OpenRead(path));
        using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(500_000);
        }

        Assert.Equal(1000, stream.Read(new byte[1000]));
        stream.Position = 900_000;
        Assert.Throws<ArchiveException>(() => stream.Read(new byte[1000]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Readers_on_many_threads_share_one_archive(bool file)
    {
        const int Length = 2_500_001;
        byte[] content = Sample.Plaintext(Length);
        byte[] archive = Sample.Archive(Length);
        Stream bytes = file ? File.OpenRead(WriteFile(archive)) : new MemoryStream(archive);
        ArchiveSeekableStream first = Open(bytes);
        ArchiveSeekableStream[] readers = [first, .. Enumerable.Range(0, 7).Select(_ => first.OpenAnother())];
        await Task.WhenAll(readers.Select((reader, seed) => Task.Run(async () =>
        {
            var random = new Random(seed);
            byte[] buffer = new byte[60_000];
            for (int i = 0; i < 200; i++)
            {
                long at = reader.Position = random.Next(Length);
                int read = seed % 2 == 0 ? reader.Read(buffer) : await reader.ReadAsync(buffer);
                Assert.True(content.AsSpan((int)at, Math.Min(buffer.Length, Length - (int)at)).SequenceEqual(buffer.AsSpan(0, read)));
            }
        })));

        // The one that opened it may go first; the archive is closed with the last.
        first.Dispose();
        Assert.Equal(10, readers[1].Read(new byte[10]));
        Assert.All(readers, reader => reader.Dispose());
        Assert.False(bytes.CanRead);
        Assert.Throws<ObjectDisposedException>(() => first.OpenAnother());
    }

    public void Dispose()
    {
        _key.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private ArchiveSeekableStream Open(Stream archive) => ArchiveSeekableStream.Open(archive, Sample.Header(), _key);

    private string WriteFile(byte[] archive)
    {
        string path = Path.Combine(_directory, Guid.NewGuid().ToString("N"));
        File.WriteAllBytes(path, archive);
        return path;
    }
}
