using KeyService.Fuzz.Engine;

namespace KeyService.Tests.Fuzzing;

/// <summary>The fuzzer finds what it is there to find: planted faults, on the corpus of the context.</summary>
public sealed class FuzzEngineTests
{
    private static readonly List<byte[]> Kept = [];

    [Fact]
    public void An_unexpected_exception_is_found_and_made_small()
    {
        FuzzTarget target = Planted(input => input.Length > 3 && input[^1] == 0xFF && input[0] == 0 ? throw new InvalidCastException("planted") : Outcome.Taken(input.Length));
        Finding finding = Find(target);
        Assert.StartsWith("unexpected InvalidCastException", finding.Problem, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower(finding.Input), finding.ToString(), StringComparison.Ordinal);
        Assert.Equal([0, 0, 0, 0xFF], Minimiser.Minimise(target, finding));
    }

    [Fact]
    public void A_broken_property_is_found() => Assert.Equal("broken: planted", Find(Planted(input =>
    {
        BrokenPropertyException.Unless(input.Length % 7 != 6, "planted");
        return Outcome.Taken();
    })).Problem);

    [Fact]
    public void Memory_out_of_proportion_is_found() => Assert.StartsWith("allocated out of proportion", Find(Planted(input =>
    {
        Kept.Add(new byte[input is [0, 1, .., > 0x80] ? 1 << 20 : 1]);
        return Outcome.Taken();
    })).Problem, StringComparison.Ordinal);

    [Fact]
    public void A_parser_that_writes_into_its_input_is_found() => Assert.Equal("broken: the parser changed its input", Find(Planted(input =>
    {
        input.AsSpan(0, Math.Min(1, input.Length)).Fill(0x5A);
        return Outcome.Taken();
    })).Problem);

    [Fact]
    public void One_seed_gives_one_run()
    {
        var runs = Enumerable.Range(0, 2).Select(_ =>
        {
            var inputs = new List<string>();
            FuzzTarget target = Planted(input =>
            {
                inputs.Add(Convert.ToHexString(input));
                return new Outcome(input.Length % 2 == 0, input.Length);
            });
            Assert.Null(new FuzzRun(target, 42).Execute(500));
            return inputs;
        }).ToList();
        Assert.Equal(runs[0], runs[1]);
        Assert.True(runs[0].Distinct().Count() > 400, "Mutants repeat each other.");
    }

    [Fact]
    public void What_shows_something_new_is_kept_and_mutated_further()
    {
        // Three steps, each of which only a mutant of the one before it reaches soon.
        FuzzTarget target = Planted(input => Outcome.Taken(input.AsSpan().Count((byte)0xAA) / 2));
        var run = new FuzzRun(target, 7);
        Assert.Null(run.Execute(20_000));
        Assert.True(run.Outcomes > 3, $"{run.Outcomes} outcomes");
        Assert.NotEmpty(run.Novel);
    }

    private static FuzzTarget Planted(Func<byte[], Outcome> run) => new("context", [], run) { MaxLength = 5000 };

    private static Finding Find(FuzzTarget target)
    {
        Finding? finding = new FuzzRun(target, 1).Execute(200_000);
        Assert.NotNull(finding);
        return finding;
    }
}
