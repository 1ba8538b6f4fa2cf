using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Crypto;
using KeyService.Crypto.Archives;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>EncryptStream and DecryptStream through generated stubs.</summary>
[Collection(RunningService.Name)]
public sealed class CipherStreamTests(ServiceFixture service) : IDisposable
{
    private readonly GrpcChannel backup = service.ConnectAs("backup");

    private Cipher.CipherClient Client => new(backup);

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(16384, 1000)]
    [InlineData(16385, 16384)]
    [InlineData(3_000_000, 70_000)]
    [InlineData(9_000_001, 1 << 20)]
    public async Task An_archive_comes_back_whole(int length, int piece)
    {
        var key = await Calls.NewKeyAsync(service);
        var plaintext = new byte[length];
        Random.Shared.NextBytes(plaintext);
        var context = Calls.Context(("job", "nightly"));
        var (archive, made) = await EncryptAsync(key.Name, plaintext, piece, context);

        Assert.Equal((ulong)length, made.PlaintextBytes);
        Assert.Equal((ulong)archive.Length, made.ArchiveBytes);
        Assert.Equal((key.Name, key.Primary.Id), (made.Key, made.KeyVersion));
        var header = ArchiveHeader.Parse(archive);
        Assert.Equal("dump.sql", header.ContentName);

        var opened = await DecryptAsync(archive, piece, context);
        Assert.Equal(plaintext, opened.Plaintext);
        Assert.Equal(made, opened.Summary);
        Assert.Equal(plaintext, (await DecryptAsync(archive, 1 << 20, expected: null)).Plaintext);
    }

    [Fact]
    public async Task An_archive_made_before_a_rotation_opens_afterwards()
    {
        var key = await Calls.NewKeyAsync(service);
        var (archive, _) = await EncryptAsync(key.Name, new byte[100_000], 50_000);
        await Calls.RotateAsync(service, key.Name);
        Assert.Equal(100_000, (await DecryptAsync(archive, 50_000)).Plaintext.Length);
    }

    [Fact]
    public async Task What_the_service_seals_opens_locally_and_the_other_way_round()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var plaintext = new byte[200_000];
        Random.Shared.NextBytes(plaintext);
        var dataKeys = new DataKeys.DataKeysClient(backup);
        var context = Calls.Context(("job", "nightly"));

        // Sealed by the service, opened here with the data key that the service unwraps.
        var (sealedThere, _) = await EncryptAsync(key, plaintext, 33_333, context);
        var header = ArchiveHeader.Parse(sealedThere);
        var binding = new DataKeyBinding { Use = DataKeyUse.Archive, SubjectId = ByteString.CopyFrom(header.ArchiveId.Span),
            Context = context };
        var unwrapped = await dataKeys.UnwrapDataKeyAsync(
            new UnwrapDataKeyRequest { Wrapped = ByteString.CopyFrom(header.WrappedDataKeys[0].Span), Binding = binding });
        using (var dataKey = SecretBuffer.CopyOf(unwrapped.Plaintext.Span))
        {
            var opened = new MemoryStream();
            await ArchiveDecryptor
                .DecryptAsync(new MemoryStream(sealedThere, header.Length, sealedThere.Length - header.Length), header, dataKey, opened);
            Assert.Equal(plaintext, opened.ToArray());
        }

        // Sealed here under a data key of the service's, opened by the service.
        var archiveId = ArchiveHeader.NewArchiveId();
        binding.SubjectId = ByteString.CopyFrom(archiveId);
        var made = await dataKeys.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key, Binding = binding });
        using var ownKey = SecretBuffer.CopyOf(made.Plaintext.Span);
        var sealedHere = new MemoryStream();
        var ownHeader = ArchiveHeader.Create(archiveId, EncryptionContext.Create("job", "nightly"), "dump.sql", made.Wrapped.Memory);
        await ArchiveEncryptor.EncryptAsync(new MemoryStream(plaintext), sealedHere, ownHeader, ownKey);
        Assert.Equal(plaintext, (await DecryptAsync(sealedHere.ToArray(), 44_444, context)).Plaintext);
        Assert.Equal(sealedThere.Length, sealedHere.Length);
    }

    [Fact]
    public async Task A_damaged_archive_answers_verified_bytes_only_and_no_summary()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var plaintext = new byte[2_000_000];
        Random.Shared.NextBytes(plaintext);
        var (archive, _) = await EncryptAsync(key, plaintext, 1 << 20);
        var headerLength = ArchiveHeader.Parse(archive).Length;

        var flipped = archive.ToArray();
        flipped[headerLength + 1_500_000] ^= 1;
        byte[] swapped = [.. archive.AsSpan(0, headerLength + 56 + 16400), .. archive.AsSpan(headerLength + 56 + 32800, 16400),
            .. archive.AsSpan(headerLength + 56 + 16400, 16400), .. archive.AsSpan(headerLength + 56 + 49200)];
        byte[] extended = [.. archive, 0];
        foreach (var damaged in new[] { flipped, swapped, extended, archive[..^1], archive[..(headerLength + 56 + (50 * 16400))],
            archive[..100], "no archive"u8.ToArray() })
        {
            var output = new MemoryStream();
            await Calls.RefusedAsync(Reason.DecryptionFailed, () => DecryptAsync(damaged, 1 << 20, output: output));
            Assert.True(plaintext.AsSpan().StartsWith(output.ToArray()), "A byte was answered that was never encrypted.");
        }

        await Calls.RefusedAsync(Reason.DecryptionFailed, () => DecryptAsync([], 1));
        await Calls.RefusedAsync(Reason.DecryptionFailed, () => DecryptAsync(archive, 1 << 20, Calls.Context(("other", "context"))));
    }

    [Fact]
    public async Task Without_its_finish_nothing_is_sealed()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        using var call = Client.EncryptStream();
        await call.RequestStream.WriteAsync(Start(key));
        await call.RequestStream.WriteAsync(new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[1 << 20]) });
        await call.RequestStream.CompleteAsync();
        var output = new MemoryStream();
        await Calls.RefusedAsync(Reason.StreamIncomplete, () => ReadAsync(call.ResponseStream, output));

        Assert.NotEmpty(output.ToArray());
        await Calls.RefusedAsync(Reason.DecryptionFailed, () => DecryptAsync(output.ToArray(), 1 << 20));
    }

    [Theory]
    [InlineData("data first")]
    [InlineData("finish first")]
    [InlineData("two starts")]
    [InlineData("empty message")]
    [InlineData("nothing")]
    public async Task Messages_out_of_order_are_refused(string order)
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var messages = order switch
        {
            "data first" => [new EncryptStreamRequest { Data = ByteString.CopyFromUtf8("x") }],
            "finish first" => [new EncryptStreamRequest { Finish = new StreamFinish() }],
            "two starts" => [Start(key), Start(key)],
            "empty message" => [Start(key), new EncryptStreamRequest()],
            _ => Array.Empty<EncryptStreamRequest>(),
        };
        await Calls.RefusedAsync(Reason.StreamIncomplete, () => SendAsync(messages));
    }

    [Fact]
    public async Task Pieces_and_names_outside_the_limits_are_refused()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        await Calls.RefusedAsync(Reason.InvalidArgument, () => SendAsync(Start(key), new EncryptStreamRequest { Data = ByteString.Empty }));
        await Calls.RefusedAsync(
            Reason.InvalidArgument, () => SendAsync(Start(key),
                new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[(1 << 20) + 1]) }));
        foreach (var name in new[] { new string('x', 256), "line\nbreak", "\uFFFD" })
        {
            var start = Start(key);
            start.Start.ContentName = name;
            await Calls.RefusedAsync(Reason.InvalidArgument, () => SendAsync(start));
        }

        await Calls.RefusedAsync(Reason.AccessDenied, () => SendAsync(Start("no/such-key")));
        var bad = Start(key);
        bad.Start.Context = Calls.Context(("a", "1"), ("a", "2"));
        await Calls.RefusedAsync(Reason.InvalidContext, () => SendAsync(bad));
    }

    public void Dispose() => backup.Dispose();

    private static EncryptStreamRequest Start(string key, Context? context = null) =>
        new() { Start = new EncryptStreamStart { Key = key, Context = context, ContentName = "dump.sql" } };

    private async Task SendAsync(params EncryptStreamRequest[] messages)
    {
        using var call = Client.EncryptStream();
        try
        {
            foreach (var message in messages)
            {
                await call.RequestStream.WriteAsync(message);
            }

            await call.RequestStream.CompleteAsync();
        }
        catch (Exception exception) when (exception is RpcException or InvalidOperationException or IOException)
        {
            // Refused while sending: reading says why.
        }

        await ReadAsync(call.ResponseStream, Stream.Null);
    }

    private async Task<(byte[] Archive, StreamSummary Summary)> EncryptAsync(string key, byte[] plaintext, int piece,
        Context? context = null)
    {
        using var call = Client.EncryptStream();
        var output = new MemoryStream();
        var reading = ReadAsync(call.ResponseStream, output);
        await call.RequestStream.WriteAsync(Start(key, context));
        foreach (var data in plaintext.Chunk(piece))
        {
            await call.RequestStream.WriteAsync(new EncryptStreamRequest { Data = UnsafeByteOperations.UnsafeWrap(data) });
        }

        await call.RequestStream.WriteAsync(new EncryptStreamRequest { Finish = new StreamFinish() });
        await call.RequestStream.CompleteAsync();
        var summary = await reading;
        return (output.ToArray(), summary);
    }

    private async Task<(byte[] Plaintext, StreamSummary Summary)> DecryptAsync(byte[] archive, int piece, Context? expected = null,
        MemoryStream? output = null)
    {
        using var call = Client.DecryptStream();
        output ??= new MemoryStream();
        var reading = ReadAsync(call.ResponseStream, output);
        try
        {
            await call.RequestStream.WriteAsync(new DecryptStreamRequest { Start = new DecryptStreamStart { ExpectedContext = expected } });
            foreach (var data in archive.Chunk(piece))
            {
                await call.RequestStream.WriteAsync(new DecryptStreamRequest { Data = UnsafeByteOperations.UnsafeWrap(data) });
            }

            await call.RequestStream.WriteAsync(new DecryptStreamRequest { Finish = new StreamFinish() });
            await call.RequestStream.CompleteAsync();
        }
        catch (Exception exception) when (exception is RpcException or InvalidOperationException or IOException)
        {
            // Refused while sending: reading says why.
        }

        var summary = await reading;
        return (output.ToArray(), summary);
    }

    private static async Task<StreamSummary> ReadAsync(IAsyncStreamReader<EncryptStreamResponse> answers, Stream output)
    {
        StreamSummary? summary = null;
        while (await answers.MoveNext(CancellationToken.None))
        {
            Assert.Null(summary);
            summary = answers.Current.Summary;
            output.Write(answers.Current.Data.Span);
        }

        return summary ?? throw new InvalidOperationException("The stream ended well and had no summary.");
    }

    private static async Task<StreamSummary> ReadAsync(IAsyncStreamReader<DecryptStreamResponse> answers, Stream output)
    {
        StreamSummary? summary = null;
        while (await answers.MoveNext(CancellationToken.None))
        {
            Assert.Null(summary);
            summary = answers.Current.Summary;
            output.Write(answers.Current.Data.Span);
        }

        return summary ?? throw new InvalidOperationException("The stream ended well and had no summary.");
    }
}
