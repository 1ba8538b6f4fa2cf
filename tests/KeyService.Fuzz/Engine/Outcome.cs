namespace KeyService.Fuzz.Engine;

/// <summary>
/// What a target made of an input, coarse on purpose: an outcome never seen before is what keeps an input in the corpus, in the place of
/// the branch coverage that cannot be had here.
/// </summary>
/// <param name="Accepted">The parser took it.</param>
/// <param name="Detail">Which fault, how many parts, …: a few hundred values a target at most.</param>
internal readonly record struct Outcome(bool Accepted, int Detail)
{
    public static Outcome Taken(int detail = 0) => new(true, detail);

    public static Outcome Refused(int detail = 0) => new(false, detail);

    /// <summary>A refusal told from others by its words; digits and quoted parts, which come from the input, do not count.</summary>
    public static Outcome Refused(Exception exception)
    {
        uint hash = 2166136261;
        bool quoted = false;
        foreach (char c in $"{exception.GetType().Name} {exception.Message}")
        {
            quoted ^= c is '"' or '\'';
            if (!quoted && char.IsAsciiLetter(c))
            {
                hash = (hash ^ c) * 16777619;
            }
        }
        return new Outcome(false, (int)(hash & 0xFF));
    }

    /// <summary>How many, in steps that double.</summary>
    public static int Step(long count) => count <= 0 ? 0 : 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)count);
}
