using System.Buffers;
using System.Runtime.CompilerServices;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>What archive code leaves behind: no key, no plaintext. It looks at the private places where they were held.</summary>
public sealed class ArchiveDisposalTests
{
    [Fact]
    public void A_disposed_segment_holds_zeros()
    {
        var segment = new Segment(100, 120);
        InputOf(segment).AsSpan().Fill(1);
        OutputOf(segment).AsSpan().Fill(2);
        segment.Dispose();
        Assert.DoesNotContain((byte)1, InputOf(segment));
        Assert.DoesNotContain((byte)2, OutputOf(segment));
    }

    // A segment that was not returned would be a new one each MiB, and not zeroed at the end.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void However_long_the_archive_its_streams_go_on_with_the_segments_of_the_beginning(int workers)
    {
        using SecretBuffer key = Sample.DataKey();
        var options = new ArchiveOptions { Workers = workers };
        byte[] content = Sample.Plaintext(12 * 1024 * 1024);
        var archive = new MemoryStream();
        using (var writer = new ArchiveWriteStream(archive, Sample.Header(), key, options, leaveOpen: true))
        {
            writer.Write(content);
            writer.Complete();
            Assert.InRange(FreeOf(QueueOf(writer)).Count, 1, workers + 1);
        }

        archive.Position = Sample.HeaderLength;
        using ArchiveReadStream reader = ArchiveReadStream.Open(archive, Sample.Header(), key, options);
        reader.CopyTo(Stream.Null);
        Assert.InRange(FreeOf(QueueOf(reader)).Count, 1, workers + 1);
    }

    [Fact]
    public void Derived_keys_are_gone_with_their_owner_and_a_copy_lives_by_itself()
    {
        using SecretBuffer key = Sample.DataKey();
        MessageKeys keys = MessageKeys.Derive(key, new byte[24], []);
        using MessageKeys copy = keys.Copy();
        Assert.Equal(keys.Key, copy.Key);
        Assert.Equal(keys.BaseNonce, copy.BaseNonce);
        Assert.True(copy.Matches(keys.Commitment) && !copy.Matches(new byte[32]));
        keys.Dispose();
        Assert.Throws<ObjectDisposedException>(() => keys.Key.Length);
        Assert.Equal(32, copy.Key.Length);
    }

    [Fact]
    public void A_disposed_chunk_cipher_has_no_nonce_and_no_key()
    {
        using SecretBuffer key = Sample.DataKey();
        using MessageKeys keys = MessageKeys.Derive(key, new byte[24], []);
        var cipher = new ChunkCipher(keys);
        byte[] nonce = NonceOf(cipher);
        Assert.Contains(nonce, value => value != 0);
        cipher.Dispose();
        Assert.DoesNotContain(nonce, value => value != 0);
        Assert.Throws<ObjectDisposedException>(() => cipher.Seal(0, [1], new byte[17]));
    }

    [Fact]
    public void An_encryptor_forgets_plaintext_and_keys_at_its_end()
    {
        using SecretBuffer key = Sample.DataKey();
        var output = new ArrayBufferWriter<byte>();
        foreach (bool finish in new[] { true, false })
        {
            var encryptor = new ChunkEncryptor(Sample.Header(), key);
            encryptor.Write(Enumerable.Repeat((byte)0x5A, 1000).ToArray(), output);
            Assert.Contains((byte)0x5A, PendingOf(encryptor));
            if (finish)
            {
                encryptor.Finish(output);
            }
            else
            {
                encryptor.Dispose();
            }
            Assert.DoesNotContain((byte)0x5A, PendingOf(encryptor));
            Assert.Throws<ObjectDisposedException>(() => CipherOf(encryptor).Seal(0, [1], new byte[17]));
        }
    }

    [Fact]
    public void A_decryptor_forgets_the_data_key_when_the_salt_has_come_and_the_rest_at_its_end()
    {
        using SecretBuffer key = Sample.DataKey();
        byte[] archive = Sample.Archive(20_000);
        var output = new ArrayBufferWriter<byte>();
        var decryptor = new ChunkDecryptor(Sample.Header(), key);
        SecretBuffer copy = DataKeyOf(decryptor)!;
        Assert.NotSame(key, copy);
        decryptor.Write(archive.AsSpan(Sample.HeaderLength, 56), output);
        Assert.Throws<ObjectDisposedException>(() => copy.DangerousSpan.Length);
        Assert.Null(DataKeyOf(decryptor));
        ChunkCipher cipher = CipherOf(decryptor)!;
        decryptor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => cipher.Open(0, new byte[17], new byte[1]));

        var unused = new ChunkDecryptor(Sample.Header(), key);
        copy = DataKeyOf(unused)!;
        unused.Dispose();
        Assert.Throws<ObjectDisposedException>(() => copy.DangerousSpan.Length);
        Assert.Equal(32, key.DangerousSpan.Length);
    }

    [Fact]
    public void A_range_reader_forgets_plaintext_and_keys_and_closes_what_it_owns_with_its_last_reader()
    {
        using SecretBuffer key = Sample.DataKey();
        byte[] archive = Sample.Archive(20_000);
        var stream = new MemoryStream(archive);
        ArchiveRangeReader reader = ArchiveRangeReader.Open(stream, ArchiveHeader.Parse(archive), key, leaveOpen: false);
        ArchiveRangeReader other = reader.OpenAnother();
        reader.ReadAt(3, new byte[5]);
        byte[] held = PlaintextOf(reader);
        Assert.Contains(held, value => value != 0);
        MessageKeys keys = KeysOf(reader);
        reader.Dispose();
        reader.Dispose();
        Assert.DoesNotContain(held, value => value != 0);
        Assert.Throws<ObjectDisposedException>(() => keys.Key.Length);
        Assert.True(stream.CanRead, "Another reader still reads.");
        Assert.Equal(5, other.ReadAt(3, new byte[5]));
        other.Dispose();
        Assert.False(stream.CanRead);
    }

    [Fact]
    public void Segments_and_ciphers_of_a_queue_are_disposed_of_wherever_they_are()
    {
        using SecretBuffer key = Sample.DataKey();
        using MessageKeys keys = MessageKeys.Derive(key, new byte[24], []);
        foreach (int workers in new[] { 1, 3 })
        {
            var ciphers = new List<SegmentCipher>();
            var queue = new SegmentQueue(
                () =>
                {
                    ciphers.Add(new SegmentSealer(keys));
                    return ciphers[^1];
                }, 100, 200, workers);
            Segment[] segments = [.. Enumerable.Range(0, 3).Select(_ => queue.Take())];
            Assert.Equal([0, 1, 2], segments.Select(segment => segment.Number));
            Array.ForEach(segments, segment => segment.Append(Enumerable.Repeat((byte)0x5A, 50).ToArray()));
            queue.Start(segments[0]);
            Assert.Equal(workers == 1, queue.IsFull);
            queue.Start(segments[1]);
            Assert.Same(segments[0], queue.Next());
            queue.Return(segments[0]);
            queue.Return(segments[2]);
            Assert.False(queue.IsEmpty);
            queue.Dispose();
            Assert.True(queue.IsEmpty);
            Assert.All(segments, segment => Assert.DoesNotContain((byte)0x5A, InputOf(segment)));
            Assert.All(ciphers, cipher => Assert.Throws<ObjectDisposedException>(() => { cipher.Transform(0, new byte[5], true, new byte[100]); }));
        }
    }

    [Fact]
    public async Task A_pool_makes_as_many_segments_as_it_may_hands_the_warm_one_out_first_and_zeroes_all()
    {
        var pool = new SegmentPool(2, 10, 10);
        Segment one = await pool.RentAsync(CancellationToken.None), two = await pool.RentAsync(CancellationToken.None);
        Assert.NotSame(one, two);
        ValueTask<Segment> third = pool.RentAsync(CancellationToken.None);
        Assert.False(third.IsCompleted);
        pool.Return(two);
        Assert.Same(two, await third);
        pool.Return(one);
        pool.Return(two);
        Assert.Same(two, await pool.RentAsync(CancellationToken.None));
        InputOf(one).AsSpan().Fill(1);
        InputOf(two).AsSpan().Fill(1);
        pool.Dispose();
        Assert.DoesNotContain((byte)1, InputOf(one));
        Assert.DoesNotContain((byte)1, InputOf(two));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Streams_forget_their_keys_and_close_what_they_own(bool leaveOpen)
    {
        using SecretBuffer key = Sample.DataKey();
        byte[] archive = Sample.Archive(2_000_000);
        foreach (bool asynchronously in new[] { false, true })
        {
            var sink = new MemoryStream();
            var writer = new ArchiveWriteStream(sink, Sample.Header(), key, leaveOpen: leaveOpen);
            writer.Write(Enumerable.Repeat((byte)0x5A, 1000).ToArray());
            MessageKeys keys = KeysOf(writer);
            Segment held = CurrentOf(writer)!;
            Assert.Contains((byte)0x5A, InputOf(held));
            await Dispose(writer, asynchronously);
            Assert.Throws<ObjectDisposedException>(() => keys.Key.Length);
            Assert.DoesNotContain((byte)0x5A, InputOf(held));
            Assert.Equal(leaveOpen, sink.CanWrite);
            Assert.False(writer.CanWrite);

            var source = new MemoryStream(archive);
            source.Position = Sample.HeaderLength;
            ArchiveReadStream reader = ArchiveReadStream.Open(source, Sample.Header(), key, leaveOpen: leaveOpen);
            Assert.Equal(10, reader.Read(new byte[10]));
            keys = KeysOf(reader);
            held = CurrentOf(reader)!;
            Assert.Contains(OutputOf(held), value => value != 0);
            await Dispose(reader, asynchronously);
            Assert.Throws<ObjectDisposedException>(() => keys.Key.Length);
            Assert.DoesNotContain(OutputOf(held), value => value != 0);
            Assert.Equal(leaveOpen, source.CanRead);
            Assert.False(reader.CanRead);
            Assert.Throws<ObjectDisposedException>(() => reader.Read(new byte[1]));
            await Dispose(reader, asynchronously);
            await Dispose(writer, asynchronously);
        }
    }

    private static async Task Dispose(Stream stream, bool asynchronously)
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

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_queue")]
    private static extern ref SegmentQueue QueueOf(ArchiveWriteStream stream);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_queue")]
    private static extern ref SegmentQueue QueueOf(ArchiveReadStream stream);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_free")]
    private static extern ref Stack<Segment> FreeOf(SegmentQueue queue);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_input")]
    private static extern ref byte[] InputOf(Segment segment);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_output")]
    private static extern ref byte[] OutputOf(Segment segment);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_baseNonce")]
    private static extern ref byte[] NonceOf(ChunkCipher cipher);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_pending")]
    private static extern ref byte[] PendingOf(ChunkEncryptor encryptor);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_cipher")]
    private static extern ref ChunkCipher CipherOf(ChunkEncryptor encryptor);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_cipher")]
    private static extern ref ChunkCipher? CipherOf(ChunkDecryptor decryptor);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_dataKey")]
    private static extern ref SecretBuffer? DataKeyOf(ChunkDecryptor decryptor);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_plaintext")]
    private static extern ref byte[] PlaintextOf(ArchiveRangeReader reader);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_keys")]
    private static extern ref MessageKeys KeysOf(ArchiveRangeReader reader);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_keys")]
    private static extern ref MessageKeys KeysOf(ArchiveWriteStream stream);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_keys")]
    private static extern ref MessageKeys KeysOf(ArchiveReadStream stream);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_current")]
    private static extern ref Segment? CurrentOf(ArchiveWriteStream stream);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_current")]
    private static extern ref Segment? CurrentOf(ArchiveReadStream stream);
}
