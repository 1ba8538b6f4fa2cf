using System.Diagnostics;
using System.Security.Cryptography;
using Grpc.Core;
using KeyService.Crypto;
using KeyService.Protocol.Bulk;

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
        var invoker = channel.CreateCallInvoker();
        var fields = Enumerable.Range(0, Items).Select(_ => RandomNumberGenerator.GetBytes(FieldLength)).ToArray();
        byte[][] tokens;
        using (var answer = await EncryptAsync(invoker, key, fields))
        {
            tokens = [.. Enumerable.Range(0, Items).Select(i => DataOf(answer, i).ToArray())];
        }

        await CheckAsync(invoker, fields, tokens);
        await Load.Measure.ClosedLoopAsync(inFlight, TimeSpan.FromSeconds(3), async _ => (await EncryptAsync(invoker, key, fields)).Dispose());
        RawLoop(TimeSpan.FromSeconds(1), decrypting: false);
        List<double> raw = [], rawOpen = [], encrypted = [], decrypted = [];
        for (var round = 0; round < rounds; round++)
        {
            raw.Add(RawLoop(duration, decrypting: false));
            encrypted.Add(Items * (await Load.Measure.ClosedLoopAsync(inFlight, duration, async _ =>
            {
                using var answer = await EncryptAsync(invoker, key, fields);
                if (answer.ResultCount != Items || DataOf(answer, Items - 1).Length != FieldLength + 49)
                {
                    throw new InvalidOperationException("An encrypted batch came back with the wrong size.");
                }
            })).PerSecond);
            rawOpen.Add(RawLoop(duration, decrypting: true));
            decrypted.Add(Items * (await Load.Measure.ClosedLoopAsync(inFlight, duration, async _ =>
            {
                using var answer = await DecryptAsync(invoker, tokens);
                if (!DataOf(answer, 0).SequenceEqual(fields[0]) || !DataOf(answer, Items - 1).SequenceEqual(fields[^1]))
                {
                    throw new InvalidOperationException("A decrypted batch is not what was encrypted.");
                }
            })).PerSecond);
        }

        await CheckAsync(invoker, fields, tokens);
        Report("encrypt", inFlight, raw, encrypted);
        Report("decrypt", inFlight, rawOpen, decrypted);
        return 0;
    }

    private static async Task CheckAsync(CallInvoker invoker, byte[][] fields, byte[][] tokens)
    {
        using var opened = await DecryptAsync(invoker, tokens);
        for (var i = 0; i < Items; i++)
        {
            if (!DataOf(opened, i).SequenceEqual(fields[i]))
            {
                throw new InvalidOperationException($"Field {i} did not come back as it was.");
            }
        }
    }

    // The client's side of the hand-written messages: the driver shares the machine with what it measures and should not be what is measured.
    private static async Task<FieldResponse> EncryptAsync(CallInvoker invoker, string key, byte[][] fields)
    {
        using var builder = new FieldRequestBuilder(FieldMessage.EncryptBatch);
        builder.SetKey(key);
        return await SendAsync(invoker, CipherMethods.EncryptBatch, builder, fields);
    }

    private static async Task<FieldResponse> DecryptAsync(CallInvoker invoker, byte[][] tokens)
    {
        using var builder = new FieldRequestBuilder(FieldMessage.DecryptBatch);
        return await SendAsync(invoker, CipherMethods.DecryptBatch, builder, tokens);
    }

    private static async Task<FieldResponse> SendAsync(
        CallInvoker invoker, Method<FieldRequest, FieldResponse> method, FieldRequestBuilder builder, byte[][] items)
    {
        builder.AddContext("table"u8, "patients"u8);
        foreach (var item in items)
        {
            builder.AddItem(item);
        }

        return await invoker.AsyncUnaryCall(method, null, default, builder.Build());
    }

    private static ReadOnlySpan<byte> DataOf(FieldResponse answer, int item) =>
        answer.TryGetData(item, out var data) ? data : throw new InvalidOperationException($"Field {item}: {answer.Error(item)}");

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
