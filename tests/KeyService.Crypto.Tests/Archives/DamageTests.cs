using System.Buffers;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>Damage of every place of small archives: refused, or, in a slot area of which there are two, survived.</summary>
public sealed class DamageTests
{
    [Fact]
    public async Task A_seekable_archive_without_its_end_releases_nothing_at_all()
    {
        byte[] archive = Sample.Archive(3 * 1024 * 1024);
        using SecretBuffer key = Sample.DataKey();
        Assert.Equal(new Opened([], ArchiveFault.Truncated).Fault, (await OpenPaths.Open("seekable stream", archive[..^16], key)).Fault);
        Assert.Empty((await OpenPaths.Open("seekable stream", archive[..^16], key)).Content);
        Assert.Empty((await OpenPaths.Open("seekable stream", [.. archive, 0], key)).Content);
    }

    [Fact]
    public async Task Another_key_another_context_and_a_damaged_tag_look_the_same()
    {
        byte[] archive = Sample.Archive(100);
        using SecretBuffer key = Sample.DataKey();
        using SecretBuffer other = Sample.DataKey(first: 1);
        ArchiveHeader header = ArchiveHeader.Parse(archive);
        ArchiveHeader elsewhere = ArchiveHeader.Create(header.ArchiveId.Span, EncryptionContext.Empty, header.ContentName, header.WrappedDataKeys);
        ArchiveHeader renamed = ArchiveHeader.Create(header.ArchiveId.Span, header.Context, "other", header.WrappedDataKeys);
        var faces = new HashSet<(ArchiveFault, string)>();
        foreach ((byte[] bytes, ArchiveHeader by, SecretBuffer with) in new[]
                 {
                     (archive, header, other), (archive, elsewhere, key), (archive, renamed, key), (Flip(archive, archive.Length - 1), header, key),
                     (Flip(archive, Sample.HeaderLength), header, key), (Flip(archive, Sample.ChunksAt), header, key),
                 })
        {
            ArchiveException e = await Assert.ThrowsAsync<ArchiveException>(
                () => ArchiveDecryptor.DecryptAsync(new TricklingStream(bytes[header.Length..]), by, with, Stream.Null));
            faces.Add((e.Fault, e.Message));
        }

        Assert.Equal(ArchiveFault.VerificationFailed, Assert.Single(faces).Item1);
    }

    [Fact]
    public void A_decryptor_that_failed_stays_failed()
    {
        byte[] archive = Sample.Archive(40_000);
        using SecretBuffer key = Sample.DataKey();
        using var decryptor = new ChunkDecryptor(ArchiveHeader.Parse(archive), key);
        var output = new ArrayBufferWriter<byte>();
        byte[] damaged = Flip(archive, Sample.ChunksAt);
        Assert.Throws<ArchiveException>(() => decryptor.Write(damaged.AsSpan(Sample.HeaderLength), output));
        Assert.Throws<ArchiveException>(() => decryptor.Write(archive.AsSpan(Sample.ChunksAt), output));
        Assert.Throws<ArchiveException>(() => decryptor.Finish(output));
        Assert.Equal(0, output.WrittenCount);
    }

    [Fact]
    public void An_encryptor_that_finished_takes_no_more()
    {
        using SecretBuffer key = Sample.DataKey();
        using var encryptor = new ChunkEncryptor(Sample.Header(), key);
        var output = new ArrayBufferWriter<byte>();
        encryptor.Finish(output);
        Assert.Throws<ObjectDisposedException>(() => encryptor.Write(new byte[1], output));
        Assert.Throws<ObjectDisposedException>(() => encryptor.Finish(output));
    }

    [Fact]
    public void Pushing_allocates_nothing_once_it_runs()
    {
        using SecretBuffer key = Sample.DataKey();
        using var encryptor = new ChunkEncryptor(Sample.Header(), key);
        var archive = new ArrayBufferWriter<byte>(1 << 20);
        var content = new ArrayBufferWriter<byte>(1 << 20);
        byte[] piece = Sample.Plaintext(50_001);
        encryptor.Write(piece, archive);
        using var decryptor = new ChunkDecryptor(ArchiveHeader.Parse(archive.WrittenSpan), key);
        decryptor.Write(archive.WrittenSpan[Sample.HeaderLength..], content);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
        {
            archive.ResetWrittenCount();
            content.ResetWrittenCount();
            encryptor.Write(piece, archive);
            decryptor.Write(archive.WrittenSpan, content);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void The_chunk_counter_stops_at_2_to_the_38()
    {
        using SecretBuffer key = Sample.DataKey();
        using MessageKeys keys = MessageKeys.Derive(key, new byte[24], []);
        using var cipher = new ChunkCipher(keys);
        byte[] chunk = new byte[17];
        cipher.Seal(ArchiveFormat.MaxChunks - 1, [5], chunk);
        Assert.True(cipher.Open(ArchiveFormat.MaxChunks - 1, chunk, new byte[1]));
        Assert.False(cipher.Open(0, chunk, new byte[1]));
        Assert.Equal(ArchiveFault.TooLong, Assert.Throws<ArchiveException>(() => cipher.Seal(ArchiveFormat.MaxChunks, [5], chunk)).Fault);
    }

    private static byte[] Flip(byte[] archive, int at)
    {
        byte[] damaged = [.. archive];
        damaged[at] ^= 0x10;
        return damaged;
    }
}
