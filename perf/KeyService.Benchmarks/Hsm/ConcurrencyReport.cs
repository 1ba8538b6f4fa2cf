using System.Diagnostics;
using System.Globalization;
using KeyService.Crypto;
using KeyService.Hsm;

namespace KeyService.Benchmarks.Hsm;

/// <summary>
/// What hsm.maxConcurrency does to single wraps of 64 callers, on software in this process (SoftHSM has process-wide mutexes) and on a device behind a network
/// (HsmSim, one round trip for the random IV and one for the encryption). Wall and CPU time, since waiting for a mutex and spinning on it are different prices;
/// and the time of one call as its caller sees it. <c>KeyService.Benchmarks hsm-concurrency [rounds]</c>.
/// </summary>
internal static class ConcurrencyReport
{
    private const int Callers = 64;
    private static readonly int[] Settings = [1, 2, 4, 8, 16, 32];

    internal static async Task RunAsync(int rounds)
    {
        await RunAsync("SoftHSM", null, callsEach: 100, rounds);
        await RunAsync("HsmSim, 0.2 ms a call", "latency * fixed 200us\nlatency C_*Init none\n", callsEach: 20, rounds);
        await RunAsync("HsmSim, 1 ms a call", "latency * fixed 1ms\nlatency C_*Init none\n", callsEach: 8, rounds);
        await RunAsync("HsmSim, 1 to 5 ms a call", "latency * uniform 1ms 5ms\nlatency C_*Init none\n", callsEach: 4, rounds);
    }

    private static async Task RunAsync(string name, string? simulated, int callsEach, int rounds)
    {
        var results = Settings.ToDictionary(setting => setting, _ => new List<Round>());
        await using var benchmark = await BenchmarkToken.CreateAsync(simulated);
        for (var round = -1; round < rounds; round++)
        {
            foreach (var setting in Settings)
            {
                var measured = await MeasureAsync(benchmark, setting, callsEach);
                if (round >= 0)
                {
                    results[setting].Add(measured);
                }
            }
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name} (a small call takes {benchmark.Token.CallTime.TotalMicroseconds:F0} us; {benchmark.Token.MaxConcurrency} at once would be chosen): {Callers} callers, {callsEach} wraps each, {rounds} interleaved rounds, {Environment.ProcessorCount} cores; medians"));
        Console.WriteLine("| hsm.maxConcurrency | wraps/s | against 1 | CPU us a wrap | ms a call, median | ms a call, 99 % |");
        Console.WriteLine("|---|---|---|---|---|---|");
        var one = Median(results[1], round => round.PerSecond);
        foreach (var setting in Settings)
        {
            var all = results[setting];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {setting} | {Median(all, round => round.PerSecond):F0} | {Median(all, round => round.PerSecond) / one:F2} | {Median(all, round => round.Cpu):F1} | {Median(all, round => round.Half):F2} | {Median(all, round => round.NinetyNine):F2} |"));
        }
        Console.WriteLine();
    }

    private static async Task<Round> MeasureAsync(BenchmarkToken benchmark, int setting, int callsEach)
    {
        // A second opening of the same token in this process: its KEK is its own, module and login are shared.
        await using var token = HsmToken.Open(benchmark.Configuration with { MaxConcurrency = setting });
        var kek = await token.CreateKekAsync(KeyVersionId.NewRandom());
        var aad = new byte[64];
        var times = new double[Callers * callsEach];
        var cpu = Process.GetCurrentProcess().TotalProcessorTime;
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            var wrapped = new byte[WrappedDataKey.Length];
            for (var i = 0; i < callsEach; i++)
            {
                var begun = Stopwatch.GetTimestamp();
                await token.WrapDataKeyAsync(kek.Id, new byte[32], aad, wrapped);
                times[(caller * callsEach) + i] = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
            }
        })));
        var wall = Stopwatch.GetElapsedTime(start);
        Array.Sort(times);
        return new Round(
            times.Length / wall.TotalSeconds,
            (Process.GetCurrentProcess().TotalProcessorTime - cpu).TotalMicroseconds / times.Length,
            times[times.Length / 2],
            times[times.Length * 99 / 100]);
    }

    private static double Median(IEnumerable<Round> rounds, Func<Round, double> value)
    {
        var sorted = rounds.Select(value).Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private sealed record Round(double PerSecond, double Cpu, double Half, double NinetyNine);
}
