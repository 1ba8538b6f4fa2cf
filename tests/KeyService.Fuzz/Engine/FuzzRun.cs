namespace KeyService.Fuzz.Engine;

/// <summary>
/// Mutates a target's corpus a number of times. Inputs with an outcome that was not seen before join the corpus of the run; with the same
/// corpus, seed and count it does the same again.
/// </summary>
internal sealed class FuzzRun(FuzzTarget target, ulong seed)
{
    private static readonly TimeSpan HangsAfter = TimeSpan.FromMinutes(2);

    private readonly List<byte[]> _inputs = [.. Corpus.Load(target)];
    private readonly HashSet<Outcome> _seen = [];
    private byte[] _current = [];
    private long _executions;
    private volatile bool _stop;

    /// <summary>Inputs that showed something new, in the order they were found.</summary>
    public List<byte[]> Novel { get; } = [];

    public long Executions => Interlocked.Read(ref _executions);

    public int Outcomes => _seen.Count;

    public int Accepted { get; private set; }

    public void Stop() => _stop = true;

    /// <summary>First the corpus as it is, then as many mutants. Ends at the first finding; an execution that does not end is one.</summary>
    public Finding? Execute(long mutants)
    {
        Finding? finding = null;
        var worker = new Thread(() => finding = Work(mutants)) { IsBackground = true, Name = target.Name };
        worker.Start();
        long seen = -1;
        while (!worker.Join(HangsAfter))
        {
            long now = Executions;
            if (now == seen)
            {
                return new Finding(target.Name, seed, now, _current, $"hang: no end after {HangsAfter.TotalMinutes} minutes");
            }
            seen = now;
        }
        return finding;
    }

    private Finding? Work(long mutants)
    {
        // Once without judging allocations: the first execution also pays for what is made once in a process.
        Examination.Problem(target, _inputs[0], out _);
        foreach (byte[] input in _inputs.ToList())
        {
            if (Examine(input, out _) is { } finding)
            {
                return finding;
            }
        }
        var random = new FuzzRandom(seed);
        var mutator = new Mutator(target, random);
        for (long i = 0; i < mutants && !_stop; i++)
        {
            byte[] input = mutator.Mutate(random.Of(_inputs), _inputs);
            if (Examine(input, out bool isNew) is { } finding)
            {
                return finding;
            }
            if (isNew)
            {
                _inputs.Add(input);
                Novel.Add(input);
            }
        }
        return null;
    }

    private Finding? Examine(byte[] input, out bool isNew)
    {
        _current = input;
        string? problem = Examination.Problem(target, input, out Outcome outcome);
        long execution = Interlocked.Increment(ref _executions);
        isNew = problem is null && _seen.Add(outcome);
        Accepted += outcome.Accepted ? 1 : 0;
        return problem is null ? null : new Finding(target.Name, seed, execution, input, problem);
    }
}
