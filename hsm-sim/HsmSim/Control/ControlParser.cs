using HsmSim.Faults;

namespace HsmSim.Control;

/// <summary>
/// Reads a control file (grammar: hsm-sim/README.md). A rule whose line, comment included, stood in the file before is the same rule and goes on counting;
/// any change of the line makes it a new one.
/// </summary>
internal sealed class ControlParser
{
    private readonly Dictionary<string, Rule> before;
    private readonly Plan plan = new();
    private int seed = 1;

    private ControlParser(IReadOnlyDictionary<string, Rule> before) => this.before = new Dictionary<string, Rule>(before);

    /// <summary>The rules of this file by their lines, for the next reading.</summary>
    private Dictionary<string, Rule> Rules { get; } = [];

    internal static (Plan Plan, Dictionary<string, Rule> Rules) Parse(string text, IReadOnlyDictionary<string, Rule> before)
    {
        var parser = new ControlParser(before);
        var number = 0;
        foreach (var line in text.Split('\n'))
        {
            number++;
            try
            {
                parser.Read(line.TrimEnd('\r'));
            }
            catch (ControlException exception)
            {
                throw new ControlException($"line {number}: {exception.Message}");
            }
        }
        return (parser.plan, parser.Rules);
    }

    private void Read(string line)
    {
        var words = new Words(line.Split('#', 2)[0]);
        if (words.IsEmpty)
        {
            return;
        }
        var verb = words.Next("word");
        switch (verb)
        {
            case "fail" or "hang" or "spoil":
                ReadRule(verb, line, words);
                break;
            case "latency":
                var functions = words.Functions();
                plan.Add(ReadLatency(words, SeedOf(line)), functions);
                break;
            case "sessions":
                plan.SessionLimit = (int)long.Min(words.Number("session limit", 0), int.MaxValue);
                break;
            case "token":
                ReadToken(words);
                break;
            case "restart":
                plan.Restart = words.Number("number of the restart", 0);
                break;
            case "disconnect":
                plan.Disconnect = words.Number("number of the disconnect", 0);
                break;
            case "counters":
                plan.CounterFile = words.Next("counter file");
                break;
            case "seed":
                seed = (int)words.Number("seed", 0);
                break;
            default:
                throw new ControlException(
                    $"'{verb}' is not known (fail, hang, spoil, latency, sessions, token, restart, disconnect, counters, seed)");
        }
        if (!words.IsEmpty)
        {
            throw new ControlException($"'{words.Next("word")}' is too much");
        }
    }

    private void ReadRule(string verb, string line, Words words)
    {
        var functions = words.Functions();
        var code = verb == "fail" ? words.Code() : 0;
        var occasion = ReadOccasion(words, SeedOf(line));
        var kind = verb switch { "fail" => RuleKind.Fail, "hang" => RuleKind.Hang, _ => RuleKind.Spoil };
        // The same line twice in one file is two rules.
        var name = line;
        while (Rules.ContainsKey(name))
        {
            name += "\n";
        }
        var rule = before.TryGetValue(name, out var same) ? same : new Rule(kind, code, occasion);
        Rules.Add(name, rule);
        plan.Add(rule, functions);
    }

    private static Occasion ReadOccasion(Words words, int seed)
    {
        var (after, every, times, probability) = (0L, 1L, long.MaxValue, 1.0);
        while (!words.IsEmpty)
        {
            switch (words.Next("condition"))
            {
                case "after":
                    after = words.Number("count after 'after'", 0);
                    break;
                case "every":
                    every = words.Number("count after 'every'", 1);
                    break;
                case "times":
                    times = words.Number("count after 'times'", 0);
                    break;
                case "probability":
                    probability = words.Fraction("probability", 1);
                    break;
                case var other:
                    throw new ControlException($"'{other}' is no condition (after N, every N, times N, probability P)");
            }
        }
        return new Occasion(after, every, times, probability, seed);
    }

    private static Latency ReadLatency(Words words, int seed) => words.Next("distribution") switch
    {
        "none" => new Latency(LatencyShape.None, 0, 0, seed),
        "fixed" => new Latency(LatencyShape.Fixed, words.Time("time"), 0, seed),
        "uniform" => new Latency(LatencyShape.Uniform, words.Time("least time"), words.Time("greatest time"), seed),
        "normal" => new Latency(LatencyShape.Normal, words.Time("mean"), words.Time("standard deviation"), seed),
        "lognormal" => new Latency(LatencyShape.LogNormal, words.Time("median"), words.Fraction("sigma", 10), seed),
        var other => throw new ControlException($"'{other}' is no distribution (none, fixed, uniform, normal, lognormal)"),
    };

    private void ReadToken(Words words)
    {
        switch (words.Next("state of the token"))
        {
            case "present":
                plan.TokenRemoved = false;
                break;
            case "removed":
                plan.TokenRemoved = true;
                break;
            case "flags":
                plan.TokenFlags = words.Code();
                break;
            case var other:
                throw new ControlException($"'{other}' is no state of a token (present, removed, flags 0x…)");
        }
    }

    /// <summary>Of the file's seed and the line, so that one rule's chances do not depend on the others (FNV-1a).</summary>
    private int SeedOf(string line)
    {
        var hash = 2166136261u ^ (uint)seed;
        foreach (var character in line)
        {
            hash = (hash ^ character) * 16777619u;
        }
        return (int)(hash & int.MaxValue);
    }
}
