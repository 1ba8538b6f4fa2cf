using HsmSim.Functions;

namespace HsmSim.Faults;

/// <summary>Everything a control file asks for, in the form in which calls look it up.</summary>
internal sealed class Plan
{
    private readonly List<Rule>[] rules = [.. Enumerable.Range(0, FunctionList.Count).Select(_ => new List<Rule>())];
    private readonly Latency?[] latencies = new Latency?[FunctionList.Count];
    private readonly HashSet<Rule> all = [];

    /// <summary>Nothing at all: a plain proxy.</summary>
    internal static Plan Empty { get; } = new();

    /// <summary>Sessions open at once before C_OpenSession answers CKR_SESSION_COUNT.</summary>
    internal int SessionLimit { get; set; } = int.MaxValue;

    internal bool TokenRemoved { get; set; }

    /// <summary>Bits added to the flags of CK_TOKEN_INFO.</summary>
    internal ulong TokenFlags { get; set; }

    /// <summary>A number greater than the one before is a power cycle.</summary>
    internal long Restart { get; set; }

    /// <summary>A number greater than the one before is a lost connection.</summary>
    internal long Disconnect { get; set; }

    /// <summary>Where calls are counted; null for nowhere.</summary>
    internal string? CounterFile { get; set; }

    internal void Add(Rule rule, IEnumerable<Function> functions)
    {
        all.Add(rule);
        foreach (var function in functions)
        {
            rules[(int)function].Add(rule);
        }
    }

    /// <summary>The last line that names a function says how long it takes.</summary>
    internal void Add(Latency latency, IEnumerable<Function> functions)
    {
        foreach (var function in functions)
        {
            latencies[(int)function] = latency;
        }
    }

    internal bool Holds(Rule rule) => all.Contains(rule);

    internal TimeSpan LatencyOf(Function function) => latencies[(int)function]?.Next() ?? TimeSpan.Zero;

    /// <summary>The first rule of that kind which takes this call; each rule asked counts it.</summary>
    internal Rule? Take(Function function, RuleKind kind)
    {
        foreach (var rule in rules[(int)function])
        {
            if (rule.Kind == kind && rule.Occasion.Take())
            {
                return rule;
            }
        }
        return null;
    }
}
