using KeyService.Protocol.V1;

namespace KeyService.Load;

/// <summary>P10: resident memory of the server's process while 64 calls and 16 streams are under way; read from /proc, every 200 ms.</summary>
internal static class MemoryLoad
{
    public static async Task<int> RunAsync(Connection connection, string key, int serverPid, TimeSpan duration)
    {
        using var channel = connection.Open(connection.Endpoint);
        var dataKeys = new DataKeys.DataKeysClient(channel);
        var request = new GenerateDataKeyRequest { Key = key, Binding = new DataKeyBinding { Use = DataKeyUse.General } };
        using var stop = new CancellationTokenSource();
        var samples = new List<double>();
        var sampler = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                samples.Add(ResidentMebibytes(serverPid));
                await Task.Delay(200);
            }
        });
        var before = ResidentMebibytes(serverPid);
        var calls = Load.Measure.ClosedLoopAsync(64, duration, async _ => await dataKeys.GenerateDataKeyAsync(request));
        do
        {
            await StreamLoad.RunAsync(connection, key, streams: 16, mebibytes: 32);
        }
        while (!calls.IsCompleted);
        var rate = await calls;
        await stop.CancelAsync();
        await sampler;
        Console.WriteLine(
            $"P10 before={before:F0}MiB median={Load.Measure.Median(samples):F0}MiB peak={samples.Max():F0}MiB data-keys={rate.PerSecond:F0}/s samples={samples.Count}");
        return 0;
    }

    private static double ResidentMebibytes(int pid)
    {
        var line = File.ReadLines($"/proc/{pid}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) / 1024.0;
    }
}
