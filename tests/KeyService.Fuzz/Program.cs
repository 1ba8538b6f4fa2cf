using System.Diagnostics;
using System.Globalization;
using KeyService.Fuzz.Engine;
using KeyService.Fuzz.Targets;

namespace KeyService.Fuzz;

/// <summary>
/// For a developer: fuzz one target as long as one likes, meet a finding again, write the seeds.
/// <code>dotnet run -c Release --project tests/KeyService.Fuzz -- run archive-header --minutes 60 --save</code>
/// </summary>
internal static class Program
{
    private const string Usage = """
        list                                        the targets and their corpora
        run TARGET|all [--executions N] [--minutes M] [--seed S] [--save]
                                                    mutates; --save keeps inputs that showed something new
                                                    a finding is printed, made smaller, and kept in the corpus in any case
        replay TARGET FILE                          one input
        seed [TARGET]                               writes the seeds of tests/vectors into tests/fuzz-corpus
        """;

    private static int Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["list"]:
                foreach (FuzzTarget target in FuzzTargets.All)
                {
                    Console.WriteLine($"{target.Name,-22} {Corpus.Load(target).Count,5} inputs");
                }
                return 0;
            case ["run", "all", .. string[] options]:
                return FuzzTargets.All.Select(target => Run(target, options)).ToList().Max();
            case ["run", string name, .. string[] options]:
                return Run(FuzzTargets.Named(name), options);
            case ["replay", string name, string file]:
                string? problem = Examination.Problem(FuzzTargets.Named(name), File.ReadAllBytes(file), out Outcome outcome);
                Console.WriteLine(problem ?? $"holds: {outcome}");
                return problem is null ? 0 : 1;
            case ["seed"]:
                return FuzzTargets.All.Select(Seed).ToList().Max();
            case ["seed", string name]:
                return Seed(FuzzTargets.Named(name));
            default:
                Console.Error.WriteLine(Usage);
                return 2;
        }
    }

    private static int Run(FuzzTarget target, string[] options)
    {
        long executions = Number(options, "--executions", long.MaxValue);
        long minutes = Number(options, "--minutes", executions == long.MaxValue ? 1 : 0);
        var seed = (ulong)Number(options, "--seed", Environment.TickCount64);
        var run = new FuzzRun(target, seed);
        using Timer? end = minutes == 0 ? null : new Timer(_ => run.Stop(), null, TimeSpan.FromMinutes(minutes), Timeout.InfiniteTimeSpan);
        long started = Stopwatch.GetTimestamp();
        Finding? finding = run.Execute(executions);
        double seconds = Math.Max(Stopwatch.GetElapsedTime(started).TotalSeconds, 0.001);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{target.Name,-22} seed {seed}: {run.Executions} executions, {run.Executions / seconds:F0}/s, {run.Accepted} accepted, {run.Outcomes} outcomes, {run.Novel.Count} new"));
        if (options.Contains("--save"))
        {
            run.Novel.ForEach(input => Corpus.Save(target, "found", input));
        }
        if (finding is null)
        {
            return 0;
        }
        Console.WriteLine($"FINDING {finding}");
        byte[] smallest = finding.Problem.StartsWith("hang", StringComparison.Ordinal) ? finding.Input : Minimiser.Minimise(target, finding);
        Console.WriteLine($"smallest ({smallest.Length} bytes): {Convert.ToHexStringLower(smallest)}\nkept in {Corpus.Save(target, "finding", smallest)}");
        return 1;
    }

    private static int Seed(FuzzTarget target)
    {
        foreach ((string name, byte[] input) in target.Seeds?.Invoke() ?? [])
        {
            Corpus.SaveSeed(target, name, input);
        }
        return 0;
    }

    private static long Number(string[] options, string name, long otherwise)
    {
        int at = Array.IndexOf(options, name);
        return at < 0 || at + 1 == options.Length ? otherwise : long.Parse(options[at + 1], NumberStyles.None, CultureInfo.InvariantCulture);
    }
}
