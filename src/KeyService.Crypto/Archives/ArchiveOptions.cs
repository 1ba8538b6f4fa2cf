namespace KeyService.Crypto.Archives;

/// <summary>How an archive is worked on. None of it changes its bytes.</summary>
public sealed record ArchiveOptions
{
    /// <summary>The defaults.</summary>
    public static ArchiveOptions Default { get; } = new();

    /// <summary>Workers at most.</summary>
    public const int MaxWorkers = 64;

    /// <summary>Workers, 1 to 64; memory is about 2 MiB for each and 4 MiB more. Default: the processors, at most 8.</summary>
    public int Workers { get; init; } = Math.Clamp(Environment.ProcessorCount, 1, 8);

    /// <summary>Told the plaintext bytes done so far after each segment, in order, from a worker's thread.</summary>
    public IProgress<long>? Progress { get; init; }

    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Workers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Workers, MaxWorkers);
    }
}

/// <summary>What was done.</summary>
/// <param name="PlaintextBytes">Length of the content.</param>
/// <param name="ArchiveBytes">Length of the archive, header included.</param>
public readonly record struct ArchiveSummary(long PlaintextBytes, long ArchiveBytes);
