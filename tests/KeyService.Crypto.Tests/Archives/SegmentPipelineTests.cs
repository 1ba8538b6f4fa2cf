using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

public sealed class SegmentPipelineTests
{
    private const int Length = (5 * 1024 * 1024) + 77;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public async Task Content_of_many_segments_comes_back_with_any_number_of_workers(int workers)
    {
        var options = new ArchiveOptions { Workers = workers };
        using SecretBuffer key = Sample.DataKey();
        using var archive = new MemoryStream();
        ArchiveSummary made = await ArchiveEncryptor.EncryptAsync(new TricklingStream(Sample.Plaintext(Length)), archive, Sample.Header(), key, options);
        Assert.Equal(new ArchiveSummary(Length, archive.Length), made);
        archive.Position = 0;
        using var content = new MemoryStream();
        ArchiveHeader header = await ArchiveDecryptor.ReadHeaderAsync(archive);
        ArchiveSummary opened = await ArchiveDecryptor.DecryptAsync(archive, header, key, content, options);
        Assert.Equal(made, opened);
        Assert.Equal(Sample.Plaintext(Length), content.ToArray());
    }

    [Fact]
    public async Task Files_come_back()
    {
        string directory = Directory.CreateTempSubdirectory("ks-archive-").FullName;
        try
        {
            await File.WriteAllBytesAsync(Path.Combine(directory, "in"), Sample.Plaintext(Length));
            using SecretBuffer key = Sample.DataKey();
            using (FileStream input = File.OpenRead(Path.Combine(directory, "in")))
            using (FileStream archive = File.Create(Path.Combine(directory, "a.ksa")))
            {
                await ArchiveEncryptor.EncryptAsync(input, archive, Sample.Header(), key);
            }

            using (FileStream archive = File.OpenRead(Path.Combine(directory, "a.ksa")))
            using (FileStream output = File.Create(Path.Combine(directory, "out")))
            {
                ArchiveHeader header = await ArchiveDecryptor.ReadHeaderAsync(archive);
                await ArchiveDecryptor.DecryptAsync(archive, header, key, output);
            }

            Assert.Equal(Sample.Plaintext(Length), await File.ReadAllBytesAsync(Path.Combine(directory, "out")));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task Progress_rises_in_order_to_the_whole()
    {
        var progress = new Collected();
        using SecretBuffer key = Sample.DataKey();
        await ArchiveEncryptor.EncryptAsync(
            new MemoryStream(Sample.Plaintext(Length)), Stream.Null, Sample.Header(), key, new ArchiveOptions { Workers = 3, Progress = progress });
        Assert.Equal([1 << 20, 2 << 20, 3 << 20, 4 << 20, 5 << 20, Length], progress.Values);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(1 << 20)]
    [InlineData(Length)]
    public async Task Input_that_fails_instead_of_ending_leaves_an_archive_that_no_reader_accepts(int length)
    {
        using SecretBuffer key = Sample.DataKey();
        using var archive = new MemoryStream();
        IOException e = await Assert.ThrowsAsync<IOException>(
            () => ArchiveEncryptor.EncryptAsync(new FailingProducer(Sample.Plaintext(length)), archive, Sample.Header(), key));
        Assert.Equal("exit code 1", e.Message);
        Assert.Equal(ArchiveFault.Truncated, (await OpenPaths.Open("stream, 3 workers", archive.ToArray(), key)).Fault);
        Assert.Equal(ArchiveFault.Truncated, (await OpenPaths.Open("push, 16399 bytes", archive.ToArray(), key)).Fault);
    }

    [Fact]
    public async Task Cancellation_ends_both_directions()
    {
        using SecretBuffer key = Sample.DataKey();
        using var cancel = new CancellationTokenSource();
        var progress = new Collected { Each = _ => cancel.Cancel() };
        var options = new ArchiveOptions { Workers = 2, Progress = progress };
        using var archive = new MemoryStream();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => ArchiveEncryptor.EncryptAsync(new MemoryStream(new byte[16 << 20]), archive, Sample.Header(), key, options, cancel.Token));
        Assert.NotNull((await OpenPaths.Open("stream, 1 worker", archive.ToArray(), key)).Fault);
        byte[] whole = Sample.Archive(Length);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => ArchiveDecryptor.DecryptAsync(new MemoryStream(whole[Sample.HeaderLength..]), ArchiveHeader.Parse(whole), key, Stream.Null, options, cancel.Token));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_failing_sink_is_what_the_caller_hears_of(int segmentsBefore)
    {
        using SecretBuffer key = Sample.DataKey();
        IOException e = await Assert.ThrowsAsync<IOException>(() => ArchiveEncryptor.EncryptAsync(
            new MemoryStream(new byte[Length]), new FullDisk(segmentsBefore + 1), Sample.Header(), key, new ArchiveOptions { Workers = 4 }));
        Assert.Equal("disk full", e.Message);
    }

    [Fact]
    public async Task Workers_out_of_range_are_refused()
    {
        using SecretBuffer key = Sample.DataKey();
        foreach (int workers in new[] { 0, 65 })
        {
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => ArchiveEncryptor.EncryptAsync(
                Stream.Null, Stream.Null, Sample.Header(), key, new ArchiveOptions { Workers = workers }));
        }
    }

    private sealed class Collected : IProgress<long>
    {
        public List<long> Values { get; } = [];

        public Action<long> Each { get; init; } = _ => { };

        public void Report(long value)
        {
            Values.Add(value);
            Each(value);
        }
    }

    private sealed class FailingProducer(byte[] content) : MemoryStream(content)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = await base.ReadAsync(buffer, cancellationToken);
            return read > 0 ? read : throw new IOException("exit code 1");
        }
    }

    private sealed class FullDisk(int writes) : MemoryStream
    {
        private int _left = writes;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            _left-- > 0 ? ValueTask.CompletedTask : throw new IOException("disk full");
    }
}
