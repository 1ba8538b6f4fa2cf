using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>The writable stream: what it seals opens, and whatever it did not seal does not.</summary>
public sealed class ArchiveWriteStreamTests
{
    private const int Mebibyte = 1024 * 1024;

    [Theory]
    [InlineData(0, 1, 1)]
    [InlineData(1, 1, 4)]
    [InlineData(16_384, 5_000, 1)]
    [InlineData(Mebibyte, Mebibyte, 2)]
    [InlineData(Mebibyte - 1, 70_000, 3)]
    [InlineData((5 * Mebibyte) + 17, 333_333, 1)]
    [InlineData((9 * Mebibyte) + 16_384, 4 * Mebibyte, 3)]
    public async Task What_was_written_and_completed_opens(int length, int piece, int workers)
    {
        byte[] content = Sample.Plaintext(length);
        foreach (bool synchronously in new[] { true, false })
        {
            var archive = new MemoryStream();
            using SecretBuffer key = Sample.DataKey();
            var stream = new ArchiveWriteStream(archive, Sample.Header(), key, new ArchiveOptions { Workers = workers }, leaveOpen: true);
            for (int at = 0; at < length; at += piece)
            {
                ReadOnlyMemory<byte> bytes = content.AsMemory(at, Math.Min(piece, length - at));
                if (synchronously)
                {
                    stream.Write(bytes.Span);
                }
                else
                {
                    await stream.WriteAsync(bytes);
                }
            }

            ArchiveSummary summary = synchronously ? stream.Complete() : await stream.CompleteAsync();
            await stream.DisposeAsync();

            Assert.True(stream.IsComplete);
            Assert.Equal(new ArchiveSummary(length, archive.Length), summary);
            Assert.Equal(Sample.Archive(length).Length, archive.Length);
            Assert.Equal(new Opened(content, null).Content, (await OpenPaths.Open("push, whole", archive.ToArray(), key)).Content);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(Mebibyte)]
    [InlineData(3 * Mebibyte)]
    [InlineData((3 * Mebibyte) + 1)]
    public async Task What_was_not_completed_does_not_open_by_any_path(int length)
    {
        var archive = new MemoryStream();
        using SecretBuffer key = Sample.DataKey();
        await using (var stream = new ArchiveWriteStream(archive, Sample.Header(), key, new ArchiveOptions { Workers = 2 }, leaveOpen: true))
        {
            await stream.WriteAsync(Sample.Plaintext(length));
            await stream.FlushAsync();
        }

        foreach (string path in OpenPaths.NameList)
        {
            Assert.NotNull((await OpenPaths.Open(path, archive.ToArray(), key)).Fault);
        }
    }

    [Fact]
    public async Task A_producer_that_throws_inside_using_seals_nothing()
    {
        var archive = new MemoryStream();
        using SecretBuffer key = Sample.DataKey();
        await Assert.ThrowsAsync<TimeoutException>(async () =>
        {
            await using var stream = new ArchiveWriteStream(archive, Sample.Header(), key);
            await stream.WriteAsync(Sample.Plaintext(2 * Mebibyte));
            throw new TimeoutException("the database went away");
        });
        Assert.False(archive.CanRead); // closed with it
        Assert.NotNull((await OpenPaths.Open("push, whole", archive.ToArray(), key)).Fault);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task After_a_write_that_failed_or_was_cancelled_nothing_can_be_sealed(int workers)
    {
        using SecretBuffer key = Sample.DataKey();
        var full = new ArchiveWriteStream(new BrokenStream(2 * Mebibyte), Sample.Header(), key, new ArchiveOptions { Workers = workers });
        Assert.Throws<IOException>(() => full.Write(Sample.Plaintext(8 * Mebibyte)));
        Assert.Throws<InvalidOperationException>(() => full.Write(new byte[1]));
        Assert.Throws<InvalidOperationException>(() => full.Complete());
        Assert.False(full.CanWrite);
        await full.DisposeAsync();

        using var stop = new CancellationTokenSource();
        var stuck = new ArchiveWriteStream(new StuckStream(stop), Sample.Header(), key, new ArchiveOptions { Workers = workers });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stuck.WriteAsync(Sample.Plaintext(8 * Mebibyte), stop.Token));
        await Assert.ThrowsAsync<InvalidOperationException>(() => stuck.CompleteAsync());
        await stuck.DisposeAsync();
    }

    [Fact]
    public void A_completion_that_failed_cannot_be_repeated()
    {
        using SecretBuffer key = Sample.DataKey();
        using var stream = new ArchiveWriteStream(new BrokenStream(100), Sample.Header(), key);
        stream.Write(new byte[1000]);
        Assert.Throws<IOException>(() => stream.Complete());
        Assert.Throws<InvalidOperationException>(() => stream.Complete());
        Assert.False(stream.IsComplete);
    }

    [Fact]
    public async Task A_complete_archive_takes_no_more_and_a_disposed_stream_nothing()
    {
        using SecretBuffer key = Sample.DataKey();
        var stream = new ArchiveWriteStream(new MemoryStream(), Sample.Header(), key);
        await stream.CompleteAsync();
        Assert.Throws<InvalidOperationException>(() => stream.Write(new byte[1]));
        await Assert.ThrowsAsync<InvalidOperationException>(() => stream.CompleteAsync());
        await stream.DisposeAsync();
        await stream.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => stream.Write(new byte[1]));
        Assert.Throws<NotSupportedException>(() => stream.Read(new byte[1]));
        Assert.Throws<NotSupportedException>(() => stream.Seek(0, SeekOrigin.Begin));
    }

    [Fact]
    public void Progress_counts_plaintext_in_order_up_to_all_of_it()
    {
        using SecretBuffer key = Sample.DataKey();
        var seen = new List<long>();
        using var stream = new ArchiveWriteStream(
            new MemoryStream(), Sample.Header(), key, new ArchiveOptions { Workers = 2, Progress = new Listed(seen) });
        stream.Write(new byte[(3 * Mebibyte) + 5]);
        stream.Complete();
        Assert.Equal([Mebibyte, 2 * Mebibyte, 3 * Mebibyte, (3 * Mebibyte) + 5], seen);
    }

    private sealed class Listed(List<long> seen) : IProgress<long>
    {
        public void Report(long value) => seen.Add(value);
    }

    /// <summary>A disk that is full after so many bytes.</summary>
    private sealed class BrokenStream(long room) : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer) => room = room >= buffer.Length ? room - buffer.Length : throw new IOException("No space left.");

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Write(buffer.Span);
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>A pipe that nobody reads: its second write waits until it is cancelled, which it itself causes.</summary>
    private sealed class StuckStream(CancellationTokenSource stop) : MemoryStream
    {
        private int _writes;

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (++_writes == 2)
            {
                await stop.CancelAsync();
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }
        }
    }
}
