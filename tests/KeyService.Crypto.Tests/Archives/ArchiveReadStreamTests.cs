using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>The forward stream beside what <see cref="OpenPaths"/> tries with it: exact release, cancelling, what stays failed.</summary>
public sealed class ArchiveReadStreamTests
{
    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 64)]
    [InlineData(1, 100)]
    [InlineData(3, 130)]
    public void Damage_ends_it_for_good_and_what_came_before_was_verified(int workers, int badChunk)
    {
        const int Length = 4 * 1024 * 1024;
        byte[] archive = Sample.Archive(Length);
        archive[Sample.ChunksAt + (badChunk * ArchiveFormat.SealedChunkLength)] ^= 1;
        using SecretBuffer key = Sample.DataKey();
        using ArchiveReadStream stream = Open(new TricklingStream(archive[Sample.HeaderLength..]), key, workers);
        var output = new MemoryStream();
        Assert.Throws<ArchiveException>(() => stream.CopyTo(output));

        // Segments of 64 chunks are verified as a whole.
        Assert.Equal(badChunk / 64 * 64 * ArchiveFormat.ChunkLength, output.Length);
        Assert.True(Sample.Plaintext(Length).AsSpan().StartsWith(output.ToArray()));
        Assert.Equal(ArchiveFault.VerificationFailed, Assert.Throws<ArchiveException>(() => stream.Read(new byte[1])).Fault);
        Assert.False(stream.IsWhole);
    }

    [Fact]
    public async Task A_cancelled_read_can_be_repeated_and_loses_nothing()
    {
        byte[] content = Sample.Plaintext(3_000_000);
        byte[] archive = Sample.Archive(content.Length);
        using SecretBuffer key = Sample.DataKey();
        var hesitant = new HesitantStream(archive[Sample.HeaderLength..]);
        await using ArchiveReadStream stream = Open(hesitant, key, 2);
        var output = new MemoryStream();
        byte[] buffer = new byte[100_000];
        while (true)
        {
            using var stop = new CancellationTokenSource();
            hesitant.Stop = stop;
            try
            {
                int read = await stream.ReadAsync(buffer, stop.Token);
                if (read == 0)
                {
                    break;
                }

                output.Write(buffer, 0, read);
            }
            catch (OperationCanceledException)
            {
                // Again.
            }
        }

        Assert.True(hesitant.Cancelled > 3);
        Assert.Equal(content, output.ToArray());
    }

    [Fact]
    public void Whether_it_was_whole_is_known_only_with_its_last_byte()
    {
        byte[] archive = Sample.Archive(2_000_000);
        using SecretBuffer key = Sample.DataKey();
        using ArchiveReadStream stream = Open(new TricklingStream(archive[Sample.HeaderLength..^5]), key, 1);
        stream.ReadExactly(new byte[1024 * 1024]);
        Assert.False(stream.IsWhole);
        Assert.Throws<ArchiveException>(() => stream.ReadByte());
    }

    private static ArchiveReadStream Open(Stream payload, SecretBuffer key, int workers) =>
        ArchiveReadStream.Open(payload, Sample.Header(), key, new ArchiveOptions { Workers = workers });

    /// <summary>A pipe whose every second read is cancelled before it gives anything.</summary>
    private sealed class HesitantStream(byte[] content) : MemoryStream(content)
    {
        private int _reads;

        public CancellationTokenSource? Stop { get; set; }

        public int Cancelled { get; private set; }

        public override bool CanSeek => false;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (++_reads % 2 == 0 && Stop is { IsCancellationRequested: false } stop)
            {
                Cancelled++;
                await stop.CancelAsync();
                cancellationToken.ThrowIfCancellationRequested();
            }

            return await base.ReadAsync(buffer[..Math.Min(buffer.Length, 300_000)], cancellationToken);
        }
    }
}
