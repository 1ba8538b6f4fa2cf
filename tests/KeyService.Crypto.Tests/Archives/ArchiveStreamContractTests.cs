using System.Diagnostics.CodeAnalysis;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>What every archive stream owes to those who use it as a <see cref="Stream"/>: arguments, directions, cancellation, and its end.</summary>
[SuppressMessage("Performance", "CA1835", Justification = "Every overload is tried.")]
[SuppressMessage("Reliability", "CA2022", Justification = "What a single read does is the question.")]
public sealed class ArchiveStreamContractTests : IDisposable
{
    private const int Length = 3_000_000;
    private readonly SecretBuffer _key = Sample.DataKey();
    private readonly byte[] _content = Sample.Plaintext(Length);
    private readonly byte[] _archive = Sample.Archive(Length);

    public void Dispose() => _key.Dispose();

    [Theory]
    [InlineData("read")]
    [InlineData("seek")]
    public async Task Reading_by_every_overload_gives_the_same_and_wrong_arguments_are_named(string kind)
    {
        using Stream stream = Open(kind);
        Assert.True(stream is { CanRead: true, CanWrite: false });
        Assert.Equal(kind == "seek", stream.CanSeek);
        byte[] buffer = new byte[1000];
        Assert.Equal(100, stream.Read(buffer, 7, 100));
        Assert.Equal(100, await stream.ReadAsync(buffer, 107, 100, CancellationToken.None));
        Assert.Equal(100, stream.Read(buffer.AsSpan(207, 100)));
        Assert.Equal(100, await stream.ReadAsync(buffer.AsMemory(307, 100)));
        Assert.Equal(_content[..400], buffer[7..407]);
        Assert.Throws<ArgumentNullException>("buffer", () => stream.Read(null!, 0, 0));
        await Assert.ThrowsAsync<ArgumentNullException>("buffer", () => stream.ReadAsync(null!, 0, 0, CancellationToken.None));
        Assert.Throws<ArgumentOutOfRangeException>("offset", () => stream.Read(buffer, -1, 1));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>("offset", () => stream.ReadAsync(buffer, -1, 1, CancellationToken.None));
        Assert.Throws<NotSupportedException>(() => stream.Write(buffer, 0, 1));
        Assert.Throws<NotSupportedException>(() => stream.Write(buffer));
        await Assert.ThrowsAsync<NotSupportedException>(() => stream.WriteAsync(buffer, 0, 1, CancellationToken.None));
        await Assert.ThrowsAsync<NotSupportedException>(async () => await stream.WriteAsync(buffer));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(1));
    }

    [Theory]
    [InlineData("read")]
    [InlineData("seek")]
    public async Task A_read_that_is_cancelled_before_it_begins_takes_nothing(string kind)
    {
        using Stream stream = Open(kind);
        Assert.Equal(_content[0], stream.ReadByte());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.ReadAsync(new byte[10], new CancellationToken(canceled: true)));
        Assert.Equal(_content[1], stream.ReadByte());
    }

    [Theory]
    [InlineData("read")]
    [InlineData("seek")]
    public async Task A_disposed_reader_gives_nothing_that_it_still_held_and_closes_its_archive_once(string kind)
    {
        foreach (bool asynchronously in new[] { true, false })
        {
            var inner = new WatchedStream(_archive);
            Stream stream = Open(kind, inner);
            Assert.Equal(10, stream.Read(new byte[10]));
            await DisposeTwiceAsync(stream, asynchronously);

            Assert.Equal(1, inner.Closed);
            Assert.True(stream is { CanRead: false, CanSeek: false, CanWrite: false });
            Assert.Throws<ObjectDisposedException>(() => stream.Read(new byte[1]));
            await Assert.ThrowsAsync<ObjectDisposedException>(async () => await stream.ReadAsync(new byte[1]));
            if (kind == "seek")
            {
                Assert.Throws<ObjectDisposedException>(() => stream.Length);
                Assert.Throws<ObjectDisposedException>(() => stream.Position);
                Assert.Throws<ObjectDisposedException>(() => stream.Seek(0, SeekOrigin.Begin));
            }
        }
    }

    [Fact]
    public void A_seekable_stream_names_a_position_that_cannot_be()
    {
        using Stream stream = Open("seek");
        Assert.Equal("A position lies before the beginning, or beyond what a position can be.", Assert.Throws<IOException>(() => stream.Position = -1).Message);
        Assert.Throws<ArgumentOutOfRangeException>("origin", () => stream.Seek(0, (SeekOrigin)7));
    }

    [Fact]
    public void An_input_that_fails_in_the_middle_of_a_segment_can_be_read_on()
    {
        using ArchiveReadStream stream = ArchiveReadStream.Open(new FailingStream(_archive[Sample.HeaderLength..]), Sample.Header(), _key, new ArchiveOptions { Workers = 2 });
        var output = new MemoryStream();
        byte[] buffer = new byte[100_000];
        int failures = 0;
        while (true)
        {
            try
            {
                int read = stream.Read(buffer);
                if (read == 0)
                {
                    break;
                }

                output.Write(buffer, 0, read);
            }
            catch (IOException)
            {
                failures++;
            }
        }

        Assert.True(failures > 3);
        Assert.Equal(_content, output.ToArray());
        Assert.True(stream.IsWhole);
    }

    [Fact]
    public async Task Progress_is_told_by_both_directions_and_ends_at_the_length()
    {
        var told = new Told();
        await using (var stream = new ArchiveWriteStream(new MemoryStream(), Sample.Header(), _key, new ArchiveOptions { Workers = 2, Progress = told }))
        {
            await stream.WriteAsync(_content.AsMemory(0, 1000));
            Assert.Equal(1000, stream.PlaintextBytes);
            await stream.WriteAsync(_content.AsMemory(1000));
            Assert.Equal(Length, stream.PlaintextBytes);
            await stream.CompleteAsync();
        }

        Assert.Equal(Length, told.Values[^1]);
        Assert.Equal(told.Values.Order(), told.Values);
        told.Values.Clear();
        using (ArchiveReadStream stream = ArchiveReadStream.Open(
            new MemoryStream(_archive) { Position = Sample.HeaderLength }, Sample.Header(), _key, new ArchiveOptions { Workers = 1, Progress = told }))
        {
            await stream.CopyToAsync(Stream.Null);
            Assert.Equal(Length, stream.PlaintextBytes);
        }

        Assert.Equal(Length, told.Values[^1]);
        Assert.DoesNotContain(0, told.Values);
    }

    [Fact]
    public async Task Writing_by_every_overload_makes_the_same_and_wrong_arguments_are_named()
    {
        var archive = new MemoryStream();
        await using var stream = new ArchiveWriteStream(archive, Sample.Header(), _key, leaveOpen: true);
        Assert.True(stream is { CanRead: false, CanWrite: true, CanSeek: false });
        stream.Write(_content, 0, 100);
        await stream.WriteAsync(_content, 100, 100, CancellationToken.None);
        stream.Write(_content.AsSpan(200, 100));
        await stream.WriteAsync(_content.AsMemory(300, 100));
        Assert.Throws<ArgumentNullException>("buffer", () => stream.Write(null!, 0, 0));
        await Assert.ThrowsAsync<ArgumentNullException>("buffer", () => stream.WriteAsync(null!, 0, 0, CancellationToken.None));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>("offset", () => stream.WriteAsync(_content, -1, 1, CancellationToken.None));
        Assert.Throws<NotSupportedException>(() => stream.Read(new byte[1], 0, 1));
        Assert.Throws<NotSupportedException>(() => stream.Length);
        Assert.Throws<NotSupportedException>(() => stream.Position);
        Assert.Throws<NotSupportedException>(() => stream.Seek(0, SeekOrigin.Begin));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(0));
        ArchiveSummary summary = await stream.CompleteAsync();
        Assert.Equal(new ArchiveSummary(400, archive.Length), summary);
        Assert.Equal(_content[..400], (await OpenPaths.Open("push, whole", archive.ToArray(), _key)).Content);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancelled_before_it_begins_a_write_or_completion_changes_nothing(bool completing)
    {
        var archive = new MemoryStream();
        await using var stream = new ArchiveWriteStream(archive, Sample.Header(), _key, leaveOpen: true);
        var cancelled = new CancellationToken(canceled: true);
        if (completing)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stream.CompleteAsync(cancelled));
        }
        else
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.WriteAsync(new byte[5], cancelled));
        }

        Assert.True(stream.CanWrite);
        Assert.Equal(0, stream.PlaintextBytes);
        await stream.WriteAsync(_content.AsMemory(0, 10));
        await stream.CompleteAsync();
        Assert.Equal(_content[..10], (await OpenPaths.Open("push, whole", archive.ToArray(), _key)).Content);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Flushes_reach_the_archive_and_completing_flushes(bool asynchronously)
    {
        var inner = new WatchedStream([]);
        await using var stream = new ArchiveWriteStream(inner, Sample.Header(), _key);
        if (asynchronously)
        {
            await stream.FlushAsync();
            Assert.Equal(1, inner.Flushed);
            await stream.CompleteAsync();
        }
        else
        {
            stream.Flush();
            Assert.Equal(1, inner.Flushed);
            stream.Complete();
        }

        Assert.Equal(2, inner.Flushed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task After_the_end_nothing_is_taken_and_words_say_why(bool asynchronously)
    {
        var inner = new WatchedStream([]);
        var stream = new ArchiveWriteStream(inner, Sample.Header(), _key);
        await stream.CompleteAsync();
        Assert.False(stream.CanWrite);
        await EverythingThrows<InvalidOperationException>(stream, "The archive is complete: nothing can be written behind its end.");
        await DisposeTwiceAsync(stream, asynchronously);

        Assert.Equal(1, inner.Closed);
        Assert.False(stream.CanWrite);
        await EverythingThrows<ObjectDisposedException>(stream, "");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_completion_that_was_interrupted_leaves_nothing_to_go_on_with(bool atTheFlush)
    {
        var inner = new WatchedStream([]) { FailsFlush = atTheFlush, FailsWrite = !atTheFlush };
        await using var stream = new ArchiveWriteStream(inner, Sample.Header(), _key);
        await stream.WriteAsync(_content.AsMemory(0, 10));
        await Assert.ThrowsAsync<IOException>(() => stream.CompleteAsync());
        inner.FailsFlush = inner.FailsWrite = false;
        Assert.True(stream is { IsComplete: false, CanWrite: false });
        await EverythingThrows<InvalidOperationException>(stream, "An earlier write of this archive failed or was cancelled: make the archive anew.");
    }

    [Fact]
    public async Task A_disposed_stream_that_was_never_written_to_takes_nothing()
    {
        var stream = new ArchiveWriteStream(Stream.Null, Sample.Header(), _key);
        await stream.DisposeAsync();
        Assert.False(stream.CanWrite);
        await EverythingThrows<ObjectDisposedException>(stream, "");
    }

    private static async Task EverythingThrows<T>(ArchiveWriteStream stream, string message)
        where T : Exception
    {
        Exception[] thrown =
        [
            Assert.Throws<T>(() => stream.Write([])), Assert.Throws<T>(stream.Flush), Assert.Throws<T>(() => stream.Complete()),
            await Assert.ThrowsAsync<T>(async () => await stream.WriteAsync(Array.Empty<byte>())), await Assert.ThrowsAsync<T>(() => stream.FlushAsync()),
            await Assert.ThrowsAsync<T>(() => stream.CompleteAsync()),
        ];
        Assert.All(thrown, each => Assert.StartsWith(message, each.Message, StringComparison.Ordinal));
    }

    private static async Task DisposeTwiceAsync(Stream stream, bool asynchronously)
    {
        for (int i = 0; i < 2; i++)
        {
            if (asynchronously)
            {
                await stream.DisposeAsync();
            }
            else
            {
                stream.Dispose();
            }
        }
    }

    private Stream Open(string kind, Stream? inner = null)
    {
        inner ??= new MemoryStream(_archive);
        if (kind == "seek")
        {
            return ArchiveSeekableStream.Open(inner, Sample.Header(), _key);
        }

        inner.Position = Sample.HeaderLength;
        return ArchiveReadStream.Open(inner, Sample.Header(), _key);
    }

    private sealed class Told : IProgress<long>
    {
        public List<long> Values { get; } = [];

        public void Report(long value) => Values.Add(value);
    }

    /// <summary>Counts how often it was closed and flushed, and fails when told to.</summary>
    private sealed class WatchedStream : MemoryStream
    {
        public WatchedStream(byte[] content)
        {
            Write(content);
            Position = 0;
        }

        public int Closed { get; private set; }

        public int Flushed { get; private set; }

        public bool FailsFlush { get; set; }

        public bool FailsWrite { get; set; }

        public override void Flush()
        {
            Flushed++;
            if (FailsFlush)
            {
                throw new IOException("No.");
            }
        }

        public override Task FlushAsync(CancellationToken cancellationToken)
        {
            Flush();
            return Task.CompletedTask;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            FailsWrite ? throw new IOException("No.") : base.WriteAsync(buffer, cancellationToken);

        // MemoryStream's DisposeAsync ends here too.
        protected override void Dispose(bool disposing)
        {
            Closed++;
            base.Dispose(disposing);
        }
    }

    /// <summary>A pipe whose every third read fails before it gives anything.</summary>
    private sealed class FailingStream(byte[] content) : MemoryStream(content)
    {
        private int _reads;

        public override bool CanSeek => false;

        public override int Read(byte[] buffer, int offset, int count) =>
            ++_reads % 3 == 0 ? throw new IOException("Not now.") : base.Read(buffer, offset, Math.Min(count, 300_000));

        public override int Read(Span<byte> buffer) =>
            ++_reads % 3 == 0 ? throw new IOException("Not now.") : base.Read(buffer[..Math.Min(buffer.Length, 300_000)]);
    }
}
