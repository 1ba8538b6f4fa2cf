using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Crypto.Archives;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>Duplex streams when something is wrong: a damaged chunk, a reader that stops, a rotation or a cancel in the middle.</summary>
[Collection(RunningService.Name)]
public sealed class DuplexStreamTests(ServiceFixture service) : IDisposable
{
    private const int Mebibyte = 1 << 20;
    private const int ChunksAt = 12288 + ArchiveFormat.PayloadPrefixLength;
    private readonly GrpcChannel backup = service.ConnectAs("backup");
    private readonly KeyServiceClient client = KeyServiceClient.Connect(ClientProfile.Load(service.Backup.ProfilePath).ToOptions());

    private Cipher.CipherClient Cipher => new(backup);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(100)]
    [InlineData(183)]
    public async Task Damage_in_a_chunk_answers_exactly_the_bytes_before_it(int bad)
    {
        var plaintext = new byte[3_000_000];
        new Random(bad).NextBytes(plaintext);
        var archive = await EncryptAsync((await Calls.NewKeyAsync(service)).Name, plaintext);
        archive[ChunksAt + (bad * ArchiveFormat.SealedChunkLength) + 5] ^= 1;
        foreach (var piece in new[] { 10_000, 333_333, Mebibyte })
        {
            var released = new MemoryStream();
            await Calls.RefusedAsync(Reason.DecryptionFailed, () => DecryptAsync(archive, piece, released));
            Assert.Equal(bad * ArchiveFormat.ChunkLength, released.Length);
            Assert.True(plaintext.AsSpan().StartsWith(released.ToArray()));
        }
    }

    [Fact]
    public async Task A_reader_that_stops_holds_its_own_stream_back_and_nobody_elses_and_loses_nothing()
    {
        const int Pieces = 200;
        var key = (await Calls.NewKeyAsync(service)).Name;
        var before = Resident();
        using var call = Cipher.EncryptStream();
        await call.RequestStream.WriteAsync(new EncryptStreamRequest { Start = new EncryptStreamStart { Key = key } });
        var sent = 0;
        var sending = Task.Run(async () =>
        {
            var piece = new EncryptStreamRequest { Data = UnsafeByteOperations.UnsafeWrap(new byte[Mebibyte]) };
            for (; sent < Pieces; sent++)
            {
                await call.RequestStream.WriteAsync(piece);
            }
            await call.RequestStream.WriteAsync(new EncryptStreamRequest { Finish = new StreamFinish() });
            await call.RequestStream.CompleteAsync();
        });

        // It has come to rest when many other calls went by without another piece being taken.
        var dataKeys = new DataKeys.DataKeysClient(backup);
        for (var (quiet, seen) = (0, -1); quiet < 100; quiet = seen == sent ? quiet + 1 : 0, seen = sent)
        {
            await dataKeys.GenerateDataKeyAsync(
                new GenerateDataKeyRequest { Key = key, Binding = new DataKeyBinding { Use = DataKeyUse.General } },
                deadline: DateTime.UtcNow + Command.Limit);
        }
        Assert.InRange(sent, 1, 64);
        Assert.InRange(Resident() - before, long.MinValue, 100);

        // A slow reader is no dead one: it reads on, and everything is there.
        long bytes = 0;
        StreamSummary? summary = null;
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
            bytes += call.ResponseStream.Current.Data.Length;
            summary = call.ResponseStream.Current.Summary ?? summary;
        }
        await sending;
        Assert.Equal((ulong)Pieces * Mebibyte, summary!.PlaintextBytes);
        Assert.Equal((ulong)bytes, summary.ArchiveBytes);
    }

    [Fact]
    public async Task A_rotation_in_the_middle_leaves_the_stream_under_its_version_and_the_archive_opens()
    {
        var key = await Calls.NewKeyAsync(service);
        var archive = new MemoryStream();
        var source = new EventfulSource(8, 3, () => Calls.RotateAsync(service, key.Name));
        var summary = await client.Cipher.EncryptArchiveAsync(key.Name, EncryptionContext.Empty, "", source, archive);
        Assert.Equal((key.Primary.Id, 8L * Mebibyte), (summary.KeyVersion, summary.PlaintextBytes));

        archive.Position = 0;
        var opened = await client.Cipher.DecryptArchiveAsync(null, archive, Stream.Null);
        Assert.Equal((key.Primary.Id, 8L * Mebibyte), (opened.KeyVersion, opened.PlaintextBytes));
    }

    [Fact]
    public async Task A_cancel_or_a_source_that_breaks_in_the_middle_seals_nothing_and_says_which()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        using var stop = new CancellationTokenSource();
        var cancelled = new MemoryStream();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.Cipher.EncryptArchiveAsync(
            key, EncryptionContext.Empty, "", new EventfulSource(8, 4, stop.CancelAsync), cancelled, cancellation: stop.Token));
        var broken = new MemoryStream();
        await Assert.ThrowsAsync<EndOfStreamException>(() => client.Cipher.EncryptArchiveAsync(
            key, EncryptionContext.Empty, "", new EventfulSource(8, 4, () => throw new EndOfStreamException("the disk is gone")), broken));
        foreach (var output in new[] { cancelled, broken })
        {
            var e = await Assert.ThrowsAnyAsync<Exception>(() => client.Archives.OpenSeekableAsync(new MemoryStream(output.ToArray())));
            Assert.IsType<ArchiveException>(e);
        }
    }

    [Fact]
    public async Task A_destination_that_breaks_ends_the_call_with_its_own_error()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var e = await Assert.ThrowsAsync<IOException>(() => client.Cipher.EncryptArchiveAsync(
            key, EncryptionContext.Empty, "", new EventfulSource(64, -1, () => Task.CompletedTask), new FullDisk()));
        Assert.Equal("No space left.", e.Message);
    }

    public void Dispose()
    {
        backup.Dispose();
        client.Dispose();
    }

    private long Resident() => ProcessMemory.ResidentMebibytes(service.ServerId);

    private async Task<byte[]> EncryptAsync(string key, byte[] plaintext)
    {
        var archive = new MemoryStream();
        await client.Cipher.EncryptArchiveAsync(key, EncryptionContext.Empty, "", new MemoryStream(plaintext), archive);
        return archive.ToArray();
    }

    private async Task DecryptAsync(byte[] archive, int piece, Stream released)
    {
        using var call = Cipher.DecryptStream();
        var sending = Task.Run(async () =>
        {
            await call.RequestStream.WriteAsync(new DecryptStreamRequest { Start = new DecryptStreamStart() });
            foreach (var data in archive.Chunk(piece))
            {
                await call.RequestStream.WriteAsync(new DecryptStreamRequest { Data = UnsafeByteOperations.UnsafeWrap(data) });
            }
            await call.RequestStream.WriteAsync(new DecryptStreamRequest { Finish = new StreamFinish() });
            await call.RequestStream.CompleteAsync();
        });
        try
        {
            while (await call.ResponseStream.MoveNext(CancellationToken.None))
            {
                released.Write(call.ResponseStream.Current.Data.Span);
            }
        }
        finally
        {
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private sealed class FullDisk : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("No space left.");
    }
}
