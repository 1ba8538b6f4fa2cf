using System.Diagnostics;
using System.Globalization;
using KeyService.Crypto;
using KeyService.Hsm;

namespace KeyService.Benchmarks.Hsm;

/// <summary>
/// What hsm.maxConcurrency does to single wraps of 32 callers: SoftHSM has process-wide mutexes and gains nothing, a network HSM would. Wall and CPU time, since
/// waiting for a mutex and spinning on it are different prices. <c>KeyService.Benchmarks hsm-concurrency [rounds]</c>.
/// </summary>
internal static class ConcurrencyReport
{
    private const int Callers = 32;
    private const int CallsEach = 250;

    internal static async Task RunAsync(int rounds)
    {
        int[] settings = [1, 2, 4, 16];
        var aad = new byte[64];
        var results = settings.ToDictionary(setting => setting, _ => new List<(double Wall, double Cpu)>());
        await using var benchmark = await BenchmarkToken.CreateAsync();
        for (var round = 0; round < rounds + 2; round++)
        {
            foreach (var setting in settings)
            {
                // A second opening of the same token in this process: its KEK is its own, module and login are shared.
                await using var token = HsmToken.Open(benchmark.Configuration with { MaxConcurrency = setting });
                var kek = await token.CreateKekAsync(KeyVersionId.NewRandom());
                var cpu = Process.GetCurrentProcess().TotalProcessorTime;
                var start = Stopwatch.GetTimestamp();
                await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
                {
                    var wrapped = new byte[WrappedDataKey.Length];
                    for (var i = 0; i < CallsEach; i++)
                    {
                        await token.WrapDataKeyAsync(kek.Id, new byte[32], aad, wrapped);
                    }
                })));
                var wall = Stopwatch.GetElapsedTime(start).TotalNanoseconds / (Callers * CallsEach);
                if (round >= 2)
                {
                    results[setting].Add((wall, (Process.GetCurrentProcess().TotalProcessorTime - cpu).TotalNanoseconds / (Callers * CallsEach)));
                }
            }
        }
        Console.WriteLine($"{Callers} callers, {CallsEach} single wraps each, {rounds} interleaved rounds, {Environment.ProcessorCount} cores; ns a wrap, median (best)");
        Console.WriteLine("| hsm.maxConcurrency | wall | CPU of the process |");
        Console.WriteLine("|---|---|---|");
        foreach (var setting in settings)
        {
            Console.WriteLine($"| {setting} | {Shown(results[setting].Select(result => result.Wall))} | {Shown(results[setting].Select(result => result.Cpu))} |");
        }
    }

    private static string Shown(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return string.Create(CultureInfo.InvariantCulture, $"{sorted[sorted.Length / 2]:F0} ({sorted[0]:F0})");
    }
}
