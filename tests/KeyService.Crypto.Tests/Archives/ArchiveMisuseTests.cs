using System.Buffers;
using System.Runtime.CompilerServices;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>What is no archive, no key or no stream is refused where it comes in, by its name; and counters count.</summary>
public sealed class ArchiveMisuseTests
{
    [Fact]
    public async Task Nothing_in_the_place_of_something_is_refused_by_its_name()
    {
        using SecretBuffer key = Sample.DataKey();
        ArchiveHeader header = Sample.Header();
        var output = new ArrayBufferWriter<byte>();
        await Missing("header", () => ArchiveEncryptor.EncryptAsync(Stream.Null, Stream.Null, null!, key));
        await Missing("plaintext", () => ArchiveEncryptor.EncryptAsync(null!, Stream.Null, header, key));
        await Missing("archive", () => ArchiveEncryptor.EncryptAsync(Stream.Null, null!, header, key));
        await Missing("inputKey", () => ArchiveEncryptor.EncryptAsync(Stream.Null, Stream.Null, header, null!));
        await Missing("archive", () => ArchiveDecryptor.ReadHeaderAsync(null!));
        await Missing("header", () => ArchiveDecryptor.DecryptAsync(Stream.Null, null!, key, Stream.Null));
        await Missing("archive", () => ArchiveDecryptor.DecryptAsync(null!, header, key, Stream.Null));
        await Missing("plaintext", () => ArchiveDecryptor.DecryptAsync(Stream.Null, header, key, null!));
        await Missing("header", () => Task.FromResult(new ChunkEncryptor(null!, key)));
        await Missing("archive", () => Do(() => new ChunkEncryptor(header, key).Write([], null!)));
        await Missing("archive", () => Do(() => new ChunkEncryptor(header, key).Finish(null!)));
        await Missing("header", () => Task.FromResult(new ChunkDecryptor((ArchiveHeader)null!, key)));
        await Missing("dataKey", () => Task.FromResult(new ChunkDecryptor(header, null!)));
        await Missing("plaintext", () => Do(() => new ChunkDecryptor(header, key).Write([], null!)));
        await Missing("plaintext", () => Do(() => new ChunkDecryptor(header, key).Finish(null!)));
        await Missing("header", () => Task.FromResult(ArchiveRangeReader.Open(new MemoryStream(), null!, key)));
        await Missing("archive", () => Task.FromResult(ArchiveRangeReader.Open(null!, header, key)));
        await Missing("expected", () => Task.FromResult(ArchiveRewrap.Replace("x", null!, [])));
        await Missing("context", () => Task.FromResult(ArchiveHeader.Create(new byte[16], null!, "", Sample.Wrapped(1))));
        await Missing("name", () => Task.FromResult(ArchiveHeader.Create(new byte[16], Sample.Context, null!, Sample.Wrapped(1))));
        await Missing("wrappedDataKeys", () => Task.FromResult(ArchiveHeader.Create(new byte[16], Sample.Context, "", null!)));
        await Missing("archive", () => Task.FromResult(new ArchiveWriteStream(null!, header, key)));
        await Missing("header", () => Task.FromResult(new ArchiveWriteStream(Stream.Null, null!, key)));
        await Missing("archive", () => Task.FromResult(ArchiveReadStream.Open(null!, header, key)));
        await Missing("header", () => Task.FromResult(ArchiveReadStream.Open(Stream.Null, null!, key)));
        await Missing("archive", () => ArchiveReadStream.OpenAsync(null!, header, key));
        Assert.Equal(0, output.WrittenCount);
    }

    [Fact]
    public void Keys_and_salts_of_another_length_are_refused_in_words()
    {
        using SecretBuffer shorter = new(31), longer = new(33), key = Sample.DataKey();
        const string KeyRule = "The data key of an archive has 32 bytes.";
        foreach (SecretBuffer wrong in new[] { shorter, longer })
        {
            Assert.StartsWith(KeyRule, Assert.Throws<ArgumentException>(() => MessageKeys.Derive(wrong, new byte[24], [])).Message, StringComparison.Ordinal);
            Assert.StartsWith(KeyRule, Assert.Throws<ArgumentException>(() => new ChunkDecryptor(Sample.Header(), wrong)).Message, StringComparison.Ordinal);
        }
        foreach (int length in new[] { 0, 23, 25 })
        {
            Assert.StartsWith("The salt has 24 bytes.", Assert.Throws<ArgumentException>(() => MessageKeys.Derive(key, new byte[length], [])).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public async Task Workers_are_1_to_64_on_every_way(int workers, bool taken)
    {
        var options = new ArchiveOptions { Workers = workers };
        using SecretBuffer key = Sample.DataKey();
        byte[] archive = Sample.Archive(10);
        using var payload = new MemoryStream(archive, Sample.HeaderLength, archive.Length - Sample.HeaderLength);
        Func<Task>[] ways =
        [
            () => ArchiveEncryptor.EncryptAsync(Stream.Null, Stream.Null, Sample.Header(), key, options),
            () => ArchiveDecryptor.DecryptAsync(payload, Sample.Header(), key, Stream.Null, options),
            () => Do(() => new ArchiveWriteStream(Stream.Null, Sample.Header(), key, options).Dispose()),
            () => Do(() =>
            {
                payload.Position = 0;
                ArchiveReadStream.Open(payload, Sample.Header(), key, options, leaveOpen: true).Dispose();
            }),
        ];
        foreach (Func<Task> way in ways)
        {
            payload.Position = 0;
            Assert.Equal(taken, await Record.ExceptionAsync(way) is not ArgumentOutOfRangeException);
        }
        Assert.InRange(ArchiveOptions.Default.Workers, 1, 8);
    }

    [Fact]
    public void What_is_pushed_is_counted_on_both_sides()
    {
        using SecretBuffer key = Sample.DataKey();
        byte[] content = Sample.Plaintext(50_000);
        var archive = new ArrayBufferWriter<byte>();
        using var encryptor = new ChunkEncryptor(Sample.Header(), key);
        encryptor.Write(content.AsSpan(0, 20_000), archive);
        Assert.Equal((20_000L, (long)archive.WrittenCount), (encryptor.PlaintextBytes, encryptor.ArchiveBytes));
        encryptor.Write(content.AsSpan(20_000), archive);
        encryptor.Finish(archive);
        Assert.Equal((50_000L, (long)archive.WrittenCount), (encryptor.PlaintextBytes, encryptor.ArchiveBytes));

        var plaintext = new ArrayBufferWriter<byte>();
        using var decryptor = new ChunkDecryptor(Sample.Header(), key);
        ReadOnlyMemory<byte> payload = archive.WrittenMemory[Sample.HeaderLength..];
        decryptor.Write(payload.Span[..30_000], plaintext);
        Assert.Equal((30_000L, (long)plaintext.WrittenCount), (decryptor.PayloadBytes, decryptor.PlaintextBytes));
        decryptor.Write(payload.Span[30_000..], plaintext);
        decryptor.Finish(plaintext);
        Assert.Equal(((long)payload.Length, 50_000L), (decryptor.PayloadBytes, decryptor.PlaintextBytes));
        Assert.Throws<ObjectDisposedException>(() => decryptor.Write([1], plaintext));
        Assert.Throws<ObjectDisposedException>(() => decryptor.Finish(plaintext));
    }

    [Fact]
    public void Sequences_of_many_segments_are_pushed_whole()
    {
        using SecretBuffer key = Sample.DataKey();
        byte[] content = Sample.Plaintext(100_000);
        var archive = new ArrayBufferWriter<byte>();
        using var encryptor = new ChunkEncryptor(Sample.Header(), key);
        encryptor.Write(Pieces.Of(content, 7_001), archive);
        encryptor.Finish(archive);
        Assert.Throws<ObjectDisposedException>(() => encryptor.Finish(archive));

        var plaintext = new ArrayBufferWriter<byte>();
        using var decryptor = new ChunkDecryptor(Sample.Header(), key);
        decryptor.Write(Pieces.Of(archive.WrittenSpan[Sample.HeaderLength..].ToArray(), 9_999), plaintext);
        decryptor.Finish(plaintext);
        Assert.Equal(content, plaintext.WrittenSpan.ToArray());
    }

    [Fact]
    public void What_follows_damage_fails_the_same_way_also_at_the_end()
    {
        using SecretBuffer key = Sample.DataKey();
        byte[] payload = Sample.Archive(100_000)[Sample.HeaderLength..];
        payload[20_000] ^= 1;
        var plaintext = new ArrayBufferWriter<byte>();
        using var decryptor = new ChunkDecryptor(Sample.Header(), key);
        Assert.Throws<ArchiveException>(() => decryptor.Write(payload, plaintext));
        Assert.Equal(ArchiveFault.VerificationFailed, Assert.Throws<ArchiveException>(() => decryptor.Finish(plaintext)).Fault);
        Assert.Equal(ArchiveFault.VerificationFailed, Assert.Throws<ArchiveException>(() => decryptor.Write(payload, plaintext)).Fault);
    }

    [Fact]
    public void A_disposed_encryptor_or_decryptor_takes_nothing()
    {
        using SecretBuffer key = Sample.DataKey();
        var output = new ArrayBufferWriter<byte>();
        var encryptor = new ChunkEncryptor(Sample.Header(), key);
        encryptor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => encryptor.Write([1], output));
        var decryptor = new ChunkDecryptor(Sample.Header(), key);
        decryptor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => decryptor.Write([1], output));
        Assert.Equal(0, output.WrittenCount);
    }

    [Fact]
    public void A_full_segment_cannot_be_the_last()
    {
        using var segment = new Segment(8, 24);
        // Pinned: the collector makes no copies of plaintext.
        Assert.Equal(GC.MaxGeneration, GC.GetGeneration(InputOf(segment)));
        Assert.Equal(GC.MaxGeneration, GC.GetGeneration(OutputOf(segment)));
        segment.Begin(3);
        Assert.Equal(8, segment.Append(new byte[20]));
        Assert.True(segment is { IsFull: true, IsLast: false, InputLength: 8, Number: 3 });
        Assert.Equal("A full segment cannot be the last.", Assert.Throws<InvalidOperationException>(segment.MarkLast).Message);
        segment.Begin(4);
        Assert.Equal(3, segment.Append(new byte[3]));
        segment.MarkLast();
        Assert.True(segment is { IsFull: false, IsLast: true, InputLength: 3, Number: 4 });
        segment.Begin(5);
        Assert.True(segment is { IsLast: false, InputLength: 0 });
    }

    [Fact]
    public void Offsets_before_the_beginning_are_misuse_and_a_disposed_reader_reads_nothing()
    {
        using SecretBuffer key = Sample.DataKey();
        byte[] archive = Sample.Archive(40_000);
        ArchiveRangeReader reader = ArchiveRangeReader.Open(new MemoryStream(archive), ArchiveHeader.Parse(archive), key);
        Assert.Equal(40_000, reader.Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.ReadAt(-1, new byte[1]));
        Assert.Equal(0, reader.ReadAt(40_000, new byte[1]));
        Assert.Equal(0, reader.ReadAt(long.MaxValue, new byte[1]));
        Assert.Equal(0, reader.ReadAt(5, []));
        Assert.Equal(1, reader.ReadAt(39_999, new byte[5]));
        reader.Dispose();
        reader.Dispose();
        Assert.Throws<ObjectDisposedException>(() => reader.ReadAt(0, new byte[1]));
        // Of the chunk that was held as well.
        Assert.Throws<ObjectDisposedException>(() => reader.ReadAt(39_998, new byte[1]));
        Assert.Throws<ObjectDisposedException>(reader.OpenAnother);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_input")]
    private static extern ref byte[] InputOf(Segment segment);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_output")]
    private static extern ref byte[] OutputOf(Segment segment);

    private static async Task Missing(string parameter, Func<Task> action) =>
        Assert.Equal(parameter, (await Assert.ThrowsAnyAsync<ArgumentNullException>(action)).ParamName);

    private static Task Do(Action action)
    {
        action();
        return Task.CompletedTask;
    }
}
