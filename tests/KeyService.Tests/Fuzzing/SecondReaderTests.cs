using System.Diagnostics;
using KeyService.Fuzz.Engine;
using KeyService.Fuzz.Targets;

namespace KeyService.Tests.Fuzzing;

/// <summary>The implementation in Python (tests/interop/python) and this one judge the same mutants: both take them, with the same bytes written again, or both refuse.</summary>
public sealed class SecondReaderTests
{
    private const string Interpreter = "/usr/bin/python3";

    public static TheoryData<string> Targets => new(FuzzTargets.All.Where(target => target.Verdict is not null).Select(target => target.Name));

    [Theory]
    [MemberData(nameof(Targets))]
    public async Task Both_implementations_judge_alike(string name) => await Compare(name, 20_261_123, 300);

    [Theory]
    [Trait("Duration", "long")]
    [MemberData(nameof(Targets))]
    public async Task Both_implementations_judge_many_mutants_alike(string name) => await Compare(name, 1, 20_000);

    private static async Task Compare(string name, ulong seed, int mutants)
    {
        Infrastructure.Require(
            File.Exists(Interpreter) && Directory.Exists("/usr/lib/python3/dist-packages/cryptography"), "Debian's python3 with python3-cryptography (apt-get install python3-cryptography)");
        FuzzTarget target = FuzzTargets.Named(name);
        byte[][] inputs = [.. Inputs(target, seed, (int)(mutants * Math.Max(target.Weight, 0.1)))];
        string[] theirs = await Judge(name, inputs);
        Assert.Equal(inputs.Length, theirs.Length);
        for (int i = 0; i < inputs.Length; i++)
        {
            string ours = target.Verdict!(inputs[i]);
            Assert.True(ours == theirs[i], $"{name}, seed {seed}, input {i}: ours {ours}, theirs {theirs[i]}\n{Convert.ToHexStringLower(inputs[i])}");
        }
        Assert.Contains(theirs, verdict => verdict.StartsWith("ok", StringComparison.Ordinal));
        Assert.Contains(theirs, verdict => verdict.StartsWith("no", StringComparison.Ordinal));
    }

    private static IEnumerable<byte[]> Inputs(FuzzTarget target, ulong seed, int mutants)
    {
        IReadOnlyList<byte[]> corpus = Corpus.Load(target);
        var random = new FuzzRandom(seed);
        var mutator = new Mutator(target, random);
        return corpus.Concat(Enumerable.Range(0, mutants).Select(_ => mutator.Mutate(random.Of(corpus), corpus)));
    }

    private static async Task<string[]> Judge(string name, byte[][] inputs)
    {
        var start = new ProcessStartInfo(Interpreter, ["-B", "-m", "keyservice_interop", "judge"])
        {
            WorkingDirectory = Path.Combine(RepositoryRoot.Path, "tests", "interop", "python"),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        using Process python = Process.Start(start)!;
        Task<string> answers = python.StandardOutput.ReadToEndAsync();
        foreach (byte[] input in inputs)
        {
            await python.StandardInput.WriteLineAsync($"{name} {Convert.ToHexStringLower(input)}");
        }
        python.StandardInput.Close();
        string text = await answers;
        await python.WaitForExitAsync();
        Assert.Equal(0, python.ExitCode);
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
