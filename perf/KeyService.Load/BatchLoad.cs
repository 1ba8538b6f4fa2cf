using System.Diagnostics;
using System.Security.Cryptography;
using Google.Protobuf;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Load;

/// <summary>
/// P3: EncryptBatch and DecryptBatch of 1,000 fields of 100 bytes against a one-core loop of raw XAES-256-GCM over the same bytes,
/// interleaved. Every decrypted batch is compared with what was encrypted.
/// </summary>
internal static class BatchLoad
{
    private const int Items = 1000;
    private const int FieldLength = 100;

    public static async Task<int> RunAsync(Connection connection, string key, int rounds, TimeSpan duration, int inFlight)
    {
        using var channel = connection.Open(connection.Endpoint);
        var cipher = new Cipher.CipherClient(channel);
        var encrypt = new EncryptBatchRequest
        {
            Key = key,
            Context = new Context { Entries = { new ContextEntry { Key = "table", Value = "patients" } } },
        };
        for (var i = 0; i < Items; i++)
        {
            encrypt.Items.Add(new EncryptItem { Plaintext = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(FieldLength)) });
        }

        var tokens = await cipher.EncryptBatchAsync(encrypt);
        var decrypt = new DecryptBatchRequest { Context = encrypt.Context };
        decrypt.Items.AddRange(tokens.Results.Select(r => new DecryptItem { Ciphertext = r.Data }));
        await CheckAsync(cipher, encrypt, decrypt);

        await Load.Measure.ClosedLoopAsync(inFlight, TimeSpan.FromSeconds(3), async _ => await cipher.EncryptBatchAsync(encrypt));
        RawLoop(TimeSpan.FromSeconds(1), decrypting: false);
        List<double> raw = [], rawOpen = [], encrypted = [], decrypted = [];
        for (var round = 0; round < rounds; round++)
        {
            raw.Add(RawLoop(duration, decrypting: false));
            encrypted.Add(Items * (await Load.Measure.ClosedLoopAsync(inFlight, duration, async _ =>
            {
                var answer = await cipher.EncryptBatchAsync(encrypt);
                if (answer.Results.Count != Items || answer.Results[^1].Data.Length != FieldLength + 49)
                {
                    throw new InvalidOperationException("An encrypted batch came back with the wrong size.");
                }
            })).PerSecond);
            rawOpen.Add(RawLoop(duration, decrypting: true));
            decrypted.Add(Items * (await Load.Measure.ClosedLoopAsync(inFlight, duration, async _ =>
            {
                var answer = await cipher.DecryptBatchAsync(decrypt);
                if (answer.Results[0].Data != encrypt.Items[0].Plaintext || answer.Results[^1].Data != encrypt.Items[^1].Plaintext)
                {
                    throw new InvalidOperationException("A decrypted batch is not what was encrypted.");
                }
            })).PerSecond);
        }

        await CheckAsync(cipher, encrypt, decrypt);
        Report("encrypt", inFlight, raw, encrypted);
        Report("decrypt", inFlight, rawOpen, decrypted);
        return 0;
    }

    private static async Task CheckAsync(Cipher.CipherClient cipher, EncryptBatchRequest encrypt, DecryptBatchRequest decrypt)
    {
        var opened = await cipher.DecryptBatchAsync(decrypt);
        for (var i = 0; i < Items; i++)
        {
            if (opened.Results[i].Data != encrypt.Items[i].Plaintext)
            {
                throw new InvalidOperationException($"Field {i} did not come back as it was.");
            }
        }
    }

    private static double RawLoop(TimeSpan duration, bool decrypting)
    {
        var key = RandomNumberGenerator.GetBytes(32);
        using var xaes = new XAes256Gcm(key);
        var nonce = RandomNumberGenerator.GetBytes(24);
        var aad = new byte[60];
        var plaintext = new byte[FieldLength];
        var ciphertext = new byte[FieldLength];
        var tag = new byte[16];
        xaes.Encrypt(nonce, plaintext, ciphertext, tag, aad);
        long count = 0;
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < duration)
        {
            for (var i = 0; i < 1000; i++, count++)
            {
                if (decrypting)
                {
                    if (!xaes.Decrypt(nonce, ciphertext, tag, plaintext, aad))
                    {
                        throw new InvalidOperationException("The raw loop did not verify.");
                    }
                }
                else
                {
                    nonce[i % 24]++;
                    xaes.Encrypt(nonce, plaintext, ciphertext, tag, aad);
                }
            }
        }

        return count / clock.Elapsed.TotalSeconds;
    }

    private static void Report(string what, int inFlight, List<double> raw, List<double> service) =>
        Console.WriteLine(
            $"P3 {what} in-flight={inFlight} raw={Load.Measure.Median(raw):F0}/s service={Load.Measure.Median(service):F0}/s " +
            $"ratio={Load.Measure.Median(service.Zip(raw, (s, r) => s / r)):F3}");
}
