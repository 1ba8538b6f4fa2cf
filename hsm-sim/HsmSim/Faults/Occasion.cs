using HsmSim.Control;

namespace HsmSim.Faults;

/// <summary>Which of the calls that a rule matches it takes: after so many, every so many, so often, or by a seeded chance. Counts while the rule stands.</summary>
internal sealed class Occasion(long after, long every, long times, double probability, int seed)
{
    private readonly Lock turn = new();
    private readonly Random chance = new(seed);
    private long seen;
    private long taken;

    /// <summary>Whether this call, which is then counted, is one of them.</summary>
    internal bool Take()
    {
        lock (turn)
        {
            var number = ++seen - after;
            if (number <= 0 || number % every != 0 || taken >= times || (probability < 1 && chance.NextDouble() >= probability))
            {
                return false;
            }
            taken++;
            return true;
        }
    }
}
