namespace KeyService.Fuzz.Engine;

/// <summary>One parser and what must hold for every input.</summary>
/// <param name="name">Folder of the corpus under tests/fuzz-corpus.</param>
/// <param name="parsers">The types whose parsing this covers; a test holds that each parser has a target.</param>
/// <param name="run">Parses an input and checks. Throws what the parser must not throw, or <see cref="BrokenPropertyException"/>.</param>
internal sealed class FuzzTarget(string name, Type[] parsers, Func<byte[], Outcome> run)
{
    public string Name { get; } = name;

    public IReadOnlyList<Type> Parsers { get; } = parsers;

    /// <summary>Longest input in bytes.</summary>
    public int MaxLength { get; init; } = 4096;

    /// <summary>Executions relative to a plain parser's: less for a target that starts threads or speaks over a socket.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Bytes that may be allocated on the calling thread for any input, and for each byte of it. What grows faster than its input is a finding.</summary>
    public long AllocatedAtMost { get; init; } = 128 * 1024;

    public long AllocatedPerByte { get; init; } = 64;

    /// <summary>Words of the format, put in whole.</summary>
    public IReadOnlyList<byte[]> Words { get; init; } = [];

    /// <summary>Makes checksums fit after a mutation, half of the time, so that what stands behind them is reached.</summary>
    public Action<byte[]>? Repair { get; init; }

    /// <summary>Inputs to begin with, from tests/vectors or made; written to the corpus once by the seed command.</summary>
    public Func<IEnumerable<(string Name, byte[] Input)>>? Seeds { get; init; }

    /// <summary>The verdict in one line, to be compared with that of the implementation in Python; null where Python does not read the format.</summary>
    public Func<byte[], string>? Verdict { get; init; }

    public Outcome Run(byte[] input) => run(input);
}

/// <summary>A property does not hold.</summary>
internal sealed class BrokenPropertyException(string property) : Exception(property)
{
    public static void Unless(bool holds, string property)
    {
        if (!holds)
        {
            throw new BrokenPropertyException(property);
        }
    }

    public static void UnlessSame(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual, string property) =>
        Unless(expected.SequenceEqual(actual), property);
}
