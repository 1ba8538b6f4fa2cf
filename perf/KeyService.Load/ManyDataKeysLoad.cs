using System.Diagnostics;
using KeyService.Protocol.V1;

namespace KeyService.Load;

/// <summary>
/// P2 through the service: GenerateDataKeys of 1,000 over mutual TLS, one call at a time, with the server's CPU time a key. The yardstick,
/// a C loop over
/// the same module, is <c>KeyService.Benchmarks hsm-data-keys</c>. Of every round one key is unwrapped and compared.
/// </summary>
internal static class ManyDataKeysLoad
{
    private const int Count = 1000;

    private static readonly DataKeyBinding Binding = new()
    {
        Use = DataKeyUse.General,
        Context = new Context { Entries = { new ContextEntry { Key = "table", Value = "patients" } } },
    };

    public static async Task<int> RunAsync(Connection connection, string key, int rounds, TimeSpan duration, int serverPid)
    {
        using var channel = connection.Open(connection.Endpoint);
        var client = new DataKeys.DataKeysClient(channel);
        var request = new GenerateDataKeysRequest { Key = key, Binding = Binding, Count = Count };
        await Load.Measure.ClosedLoopAsync(1, TimeSpan.FromSeconds(3), async _ => await client.GenerateDataKeysAsync(request));
        using var server = Process.GetProcessById(serverPid);
        List<double> perSecond = [], cpu = [];
        for (var round = 0; round < rounds; round++)
        {
            GenerateDataKeysResponse? last = null;
            var before = CpuOf(server);
            var rate = await Load.Measure.ClosedLoopAsync(1, duration, async _ =>
            {
                last = await client.GenerateDataKeysAsync(request);
                if (last.DataKeys.Count != Count || last.DataKeys[^1].Plaintext.Length != 32 || last.DataKeys[^1].Wrapped.Length != 69)
                {
                    throw new InvalidOperationException("Data keys came back with the wrong number or size.");
                }
            });
            perSecond.Add(rate.PerSecond * Count);
            cpu.Add((CpuOf(server) - before).TotalMicroseconds / (rate.Calls * Count));
            var sample = last!.DataKeys[round % Count];
            var unwrapped = await client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = sample.Wrapped, Binding = Binding });
            if (unwrapped.Plaintext != sample.Plaintext)
            {
                throw new InvalidOperationException("A data key did not come back as it was.");
            }
        }

        Console.WriteLine($"P2 data-keys-of-1000={Load.Measure.Median(perSecond):F0}/s server-cpu={Load.Measure.Median(cpu):F2}us/key");
        return 0;
    }

    private static TimeSpan CpuOf(Process process)
    {
        process.Refresh();
        return process.TotalProcessorTime;
    }
}
