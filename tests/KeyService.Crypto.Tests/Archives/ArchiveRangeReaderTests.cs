using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>The chunk that a reader holds between two reads: read once, right after damage elsewhere, and never taken for another.</summary>
public sealed class ArchiveRangeReaderTests
{
    private const int Chunk = ArchiveFormat.ChunkLength;

    [Fact]
    public void Small_reads_in_a_row_fetch_their_chunk_once_and_large_ones_many_chunks_at_once()
    {
        using SecretBuffer key = Sample.DataKey();
        byte[] content = Sample.Plaintext(40 * Chunk);
        using var stream = new CountingStream(Sample.Archive(content.Length));
        using ArchiveRangeReader reader = ArchiveRangeReader.Open(stream, Sample.Header(), key);
        stream.Reads = 0;
        byte[] small = new byte[100];
        for (int at = 5; at + 100 < Chunk; at += 100)
        {
            Assert.Equal(100, reader.ReadAt(at, small));
            Assert.Equal(content[at..(at + 100)], small);
        }
        Assert.Equal(1, stream.Reads);
        stream.Reads = 0;
        byte[] large = new byte[32 * Chunk];
        Assert.Equal(large.Length, reader.ReadAt(Chunk, large));
        Assert.Equal(content[Chunk..(33 * Chunk)], large);
        Assert.Equal(2, stream.Reads);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_read_that_found_damage_leaves_zeros_and_spoils_no_later_read(int held)
    {
        using SecretBuffer key = Sample.DataKey();
        byte[] content = Sample.Plaintext(5 * Chunk);
        byte[] archive = Sample.Archive(content.Length);
        archive[Sample.ChunksAt + (2 * ArchiveFormat.SealedChunkLength) + 7] ^= 1;
        using ArchiveRangeReader reader = ArchiveRangeReader.Open(new MemoryStream(archive), Sample.Header(), key);
        byte[] few = new byte[50];
        foreach (bool whole in new[] { false, true })
        {
            Assert.Equal(50, reader.ReadAt((held * Chunk) + 3, few));
            byte[] damaged = Enumerable.Repeat((byte)0x5A, whole ? 2 * Chunk : 10).ToArray();
            Assert.Equal(ArchiveFault.VerificationFailed, Assert.Throws<ArchiveException>(() => reader.ReadAt(2 * Chunk, damaged)).Fault);
            Assert.DoesNotContain(damaged, value => value != 0);
            await Assert.ThrowsAsync<ArchiveException>(() => reader.ReadAtAsync(2 * Chunk, damaged).AsTask());
            Assert.Equal(50, reader.ReadAt((held * Chunk) + 3, few));
            Assert.Equal(content[((held * Chunk) + 3)..((held * Chunk) + 53)], few);
            Assert.Equal(50, await reader.ReadAtAsync(Chunk + 4, few));
            Assert.Equal(content[(Chunk + 4)..(Chunk + 54)], few);
        }
    }

    [Fact]
    public async Task An_archive_that_was_cut_while_it_was_open_is_damaged()
    {
        using SecretBuffer key = Sample.DataKey();
        var stream = new MemoryStream();
        stream.Write(Sample.Archive(5 * Chunk));
        using ArchiveRangeReader reader = ArchiveRangeReader.Open(stream, Sample.Header(), key);
        stream.SetLength(Sample.ChunksAt + (3 * ArchiveFormat.SealedChunkLength) + 100);
        Assert.Equal(10, reader.ReadAt(2 * Chunk, new byte[10]));
        Assert.Equal(ArchiveFault.VerificationFailed, Assert.Throws<ArchiveException>(() => reader.ReadAt(3 * Chunk, new byte[10])).Fault);
        Assert.Equal(ArchiveFault.VerificationFailed, (await Assert.ThrowsAsync<ArchiveException>(() => reader.ReadAtAsync(3 * Chunk, new byte[2 * Chunk]).AsTask())).Fault);
    }

    private sealed class CountingStream(byte[] bytes) : MemoryStream(bytes)
    {
        public int Reads { get; set; }

        public override int Read(Span<byte> buffer)
        {
            Reads++;
            return base.Read(buffer);
        }
    }
}
