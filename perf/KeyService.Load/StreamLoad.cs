using System.Diagnostics;
using System.Security.Cryptography;
using Google.Protobuf;
using KeyService.Protocol.V1;

namespace KeyService.Load;

/// <summary>Encrypting duplex streams of 1 MiB messages; what comes back is decrypted again through the service and compared by hash.</summary>
internal static class StreamLoad
{
    private const int Piece = 1024 * 1024;

    public static async Task<int> RunAsync(Connection connection, string key, int streams, int mebibytes)
    {
        using var channel = connection.Open(connection.Endpoint);
        var cipher = new Cipher.CipherClient(channel);
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, streams).Select(_ => OneAsync(cipher, key, mebibytes)));
        var bytes = (double)streams * mebibytes * Piece;
        Console.WriteLine($"streams={streams} mebibytes-each={mebibytes} wall={clock.Elapsed.TotalSeconds:F2}s encrypt+decrypt={2 * bytes / clock.Elapsed.TotalSeconds / 1e6:F0}MB/s");
        return 0;
    }

    private static async Task OneAsync(Cipher.CipherClient cipher, string key, int mebibytes)
    {
        var piece = RandomNumberGenerator.GetBytes(Piece);
        var data = UnsafeByteOperations.UnsafeWrap(piece);
        using var sent = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var received = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var encrypt = cipher.EncryptStream();
        using var decrypt = cipher.DecryptStream();

        var producer = Task.Run(async () =>
        {
            await encrypt.RequestStream.WriteAsync(new EncryptStreamRequest { Start = new EncryptStreamStart { Key = key } });
            for (var i = 0; i < mebibytes; i++)
            {
                sent.AppendData(piece);
                await encrypt.RequestStream.WriteAsync(new EncryptStreamRequest { Data = data });
            }

            await encrypt.RequestStream.WriteAsync(new EncryptStreamRequest { Finish = new StreamFinish() });
            await encrypt.RequestStream.CompleteAsync();
        });
        var middle = Task.Run(async () =>
        {
            await decrypt.RequestStream.WriteAsync(new DecryptStreamRequest { Start = new DecryptStreamStart() });
            while (await encrypt.ResponseStream.MoveNext(CancellationToken.None))
            {
                if (encrypt.ResponseStream.Current.MessageCase == EncryptStreamResponse.MessageOneofCase.Data)
                {
                    await decrypt.RequestStream.WriteAsync(new DecryptStreamRequest { Data = encrypt.ResponseStream.Current.Data });
                }
            }

            await decrypt.RequestStream.WriteAsync(new DecryptStreamRequest { Finish = new StreamFinish() });
            await decrypt.RequestStream.CompleteAsync();
        });
        StreamSummary? summary = null;
        while (await decrypt.ResponseStream.MoveNext(CancellationToken.None))
        {
            var answer = decrypt.ResponseStream.Current;
            if (answer.MessageCase == DecryptStreamResponse.MessageOneofCase.Summary)
            {
                summary = answer.Summary;
            }
            else
            {
                received.AppendData(answer.Data.Span);
            }
        }

        await Task.WhenAll(producer, middle);
        if (summary is null || !sent.GetHashAndReset().AsSpan().SequenceEqual(received.GetHashAndReset()))
        {
            throw new InvalidOperationException("A stream did not come back as it was sent.");
        }
    }
}
