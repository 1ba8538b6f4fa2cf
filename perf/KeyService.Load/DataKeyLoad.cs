using Google.Protobuf;
using Grpc.Net.Client;
using KeyService.Protocol.V1;

namespace KeyService.Load;

/// <summary>
/// P1: GenerateDataKey against an echo over the same transport, interleaved round by round. Every answer is checked for its sizes, and of every caller the
/// last data key is unwrapped and compared.
/// </summary>
internal static class DataKeyLoad
{
    private static readonly DataKeyBinding Binding = new()
    {
        Use = DataKeyUse.General,
        Context = new Context { Entries = { new ContextEntry { Key = "table", Value = "patients" } } },
    };

    public static async Task<int> RunAsync(Connection connection, string echoEndpoint, string key, int rounds, TimeSpan duration, string diskFolder)
    {
        using var service = connection.Open(connection.Endpoint);
        using var echo = connection.Open(echoEndpoint);
        var dataKeys = new DataKeys.DataKeysClient(service);
        var echoClient = new Echo.EchoClient(echo);
        var message = new EchoMessage { Data = ByteString.CopyFrom(new byte[120]) };
        var request = new GenerateDataKeyRequest { Key = key, Binding = Binding };

        await WarmAsync(dataKeys, request, echoClient, message);
        foreach (var inFlight in new[] { 1, 64 })
        {
            List<Rate> echoes = [], keys = [], commits = [];
            for (var round = 0; round < rounds; round++)
            {
                echoes.Add(await Load.Measure.ClosedLoopAsync(inFlight, duration, async _ => await echoClient.SayAsync(message)));
                var last = new GenerateDataKeyResponse[inFlight];
                keys.Add(await Load.Measure.ClosedLoopAsync(inFlight, duration, async caller =>
                {
                    var answer = await dataKeys.GenerateDataKeyAsync(request);
                    if (answer.Plaintext.Length != 32 || answer.Wrapped.Length != 69)
                    {
                        throw new InvalidOperationException("A data key came back with the wrong size.");
                    }

                    last[caller] = answer;
                }));
                foreach (var answer in last.Where(a => a is not null))
                {
                    var unwrapped = await dataKeys.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = answer.Wrapped, Binding = Binding });
                    if (unwrapped.Plaintext != answer.Plaintext)
                    {
                        throw new InvalidOperationException("A data key did not come back as it was.");
                    }
                }

                commits.Add(LoneCommit.Measure(diskFolder, TimeSpan.FromSeconds(1)));
            }

            Report(inFlight, echoes, keys, commits);
        }

        return 0;
    }

    private static async Task WarmAsync(
        DataKeys.DataKeysClient dataKeys, GenerateDataKeyRequest request, Echo.EchoClient echo, EchoMessage message)
    {
        await Load.Measure.ClosedLoopAsync(16, TimeSpan.FromSeconds(3), async _ => await dataKeys.GenerateDataKeyAsync(request));
        await Load.Measure.ClosedLoopAsync(16, TimeSpan.FromSeconds(3), async _ => await echo.SayAsync(message));
    }

    private static void Report(int inFlight, List<Rate> echoes, List<Rate> keys, List<Rate> commits)
    {
        double Of(List<Rate> rates, Func<Rate, double> what) => Load.Measure.Median(rates.Select(what));
        var ratio = Load.Measure.Median(keys.Zip(echoes, (k, e) => k.PerSecond / e.PerSecond));
        Console.WriteLine(
            $"P1 in-flight={inFlight} echo={Of(echoes, r => r.PerSecond):F0}/s data-keys={Of(keys, r => r.PerSecond):F0}/s ratio={ratio:F3} " +
            $"echo-p50={Of(echoes, r => r.P50Microseconds):F0}us echo-p99={Of(echoes, r => r.P99Microseconds):F0}us " +
            $"data-key-p50={Of(keys, r => r.P50Microseconds):F0}us data-key-p99={Of(keys, r => r.P99Microseconds):F0}us " +
            $"lone-commit-p50={Of(commits, r => r.P50Microseconds):F0}us lone-commit-p99={Of(commits, r => r.P99Microseconds):F0}us calls={keys.Sum(r => r.Calls)}");
    }
}
