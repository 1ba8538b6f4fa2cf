using Google.Protobuf;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>Archives through the service's streams.</summary>
internal static class Archives
{
    private const int Piece = 32 * 1024;

    /// <summary>The archive, once the service said that it is whole.</summary>
    public static async Task<byte[]> EncryptAsync(Cipher.CipherClient client, string key, byte[] plaintext, Metadata? headers = null)
    {
        using var call = client.EncryptStream(headers);
        var archive = new MemoryStream();
        StreamSummary? summary = null;
        var reading = ReadAsync();
        try
        {
            await call.RequestStream.WriteAsync(
                new EncryptStreamRequest { Start = new EncryptStreamStart { Key = key, Context = Answers.Context() } });
            foreach (var piece in plaintext.Chunk(Piece))
            {
                await call.RequestStream.WriteAsync(new EncryptStreamRequest { Data = UnsafeByteOperations.UnsafeWrap(piece) });
            }
            await call.RequestStream.WriteAsync(new EncryptStreamRequest { Finish = new StreamFinish() });
            await call.RequestStream.CompleteAsync();
        }
        catch (Exception exception) when (exception is RpcException or InvalidOperationException or IOException)
        {
            // The call ended before all was written: how, the answers say.
        }
        await reading;
        Assert.NotNull(summary);
        return archive.ToArray();

        async Task ReadAsync()
        {
            await foreach (var answer in call.ResponseStream.ReadAllAsync())
            {
                summary = answer.Summary ?? summary;
                answer.Data?.WriteTo(archive);
            }
        }
    }

    public static async Task<byte[]> DecryptAsync(Cipher.CipherClient client, byte[] archive)
    {
        using var call = client.DecryptStream();
        await call.RequestStream.WriteAsync(new DecryptStreamRequest { Start = new DecryptStreamStart { ExpectedContext = Answers.Context() } });
        var plaintext = new MemoryStream();
        var reading = ReadAsync();
        foreach (var piece in archive.Chunk(Piece))
        {
            await call.RequestStream.WriteAsync(new DecryptStreamRequest { Data = UnsafeByteOperations.UnsafeWrap(piece) });
        }
        await call.RequestStream.WriteAsync(new DecryptStreamRequest { Finish = new StreamFinish() });
        await call.RequestStream.CompleteAsync();
        await reading;
        return plaintext.ToArray();

        async Task ReadAsync()
        {
            await foreach (var answer in call.ResponseStream.ReadAllAsync())
            {
                answer.Data?.WriteTo(plaintext);
            }
        }
    }
}
