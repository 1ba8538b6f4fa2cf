using KeyService.Fuzz.Engine;
using KeyService.Fuzz.Targets;

namespace KeyService.Tests.Fuzzing;

/// <summary>Every parser against its corpus (each finding of the past is in it) and against mutants of it.</summary>
public sealed class FuzzTests
{
    private const ulong Seed = 20_261_123;

    public static TheoryData<string> Targets => new(FuzzTargets.All.Select(target => target.Name));

    [Theory]
    [MemberData(nameof(Targets))]
    public void A_parser_holds_for_its_corpus_and_some_mutants(string name) => Holds(name, Seed, 3_000);

    [Theory]
    [Trait("Duration", "long")]
    [MemberData(nameof(Targets))]
    public void A_parser_holds_for_many_mutants(string name)
    {
        for (ulong round = 0; round < 4; round++)
        {
            Holds(name, Seed + 1 + round, 100_000);
        }
    }

    private static void Holds(string name, ulong seed, int mutants)
    {
        FuzzTarget target = FuzzTargets.Named(name);
        var run = new FuzzRun(target, seed);
        Finding? finding = run.Execute((long)(mutants * target.Weight));
        Assert.True(finding is null, $"{finding}\nMeet it again: dotnet run -c Release --project tests/KeyService.Fuzz -- run {name} --seed {seed} --executions {mutants}");
        Assert.True(run.Accepted > 0, $"{name}: nothing was accepted, so what must hold of what parses was never asked.");
        Assert.True(run.Accepted < run.Executions || name == "row-bytes", $"{name}: nothing was refused.");
    }
}
