namespace KeyService.Crypto.Logs;

/// <summary>One log of an export.</summary>
/// <param name="Origin">Which log.</param>
/// <param name="Start">Its first record in the export.</param>
/// <param name="Size">Records up to the checkpoint that it reaches.</param>
/// <param name="HeldSize">How many of them, from the first of the log on, a checkpoint covers that is held elsewhere; 0 for none.</param>
public sealed record ExportedLog(string Origin, long Start, long Size, long HeldSize);

/// <summary>What verifying an export found.</summary>
/// <param name="Installation">The logs' installation, <c>keyservice/ID</c>; null when the export does not say.</param>
/// <param name="Pinned">Whether a key that came from elsewhere vouches for it.</param>
/// <param name="Directory">The directory log; null when there is none to be read.</param>
/// <param name="Slots">The logs of the slots, ascending.</param>
/// <param name="Findings">At most <see cref="MaxFindings"/>; empty when the export is consistent.</param>
public sealed record ExportReport(
    string? Installation, bool Pinned, ExportedLog? Directory, IReadOnlyList<ExportedLog> Slots, IReadOnlyList<ExportFinding> Findings)
{
    /// <summary>Findings that are kept.</summary>
    public const int MaxFindings = 100;

    /// <summary>Whether nothing is wrong with what is there.</summary>
    public bool Consistent => Findings.Count == 0;

    /// <summary>Whether every record of the export is covered by a checkpoint that is held elsewhere. What came after the export it cannot say.</summary>
    public bool Covered => Consistent && Slots.Count > 0 && Slots.All(slot => slot.HeldSize >= slot.Size);

    /// <summary>The verdict in the words of docs/spec/audit-export.md.</summary>
    public string Verdict => (Consistent, Covered) switch
    {
        (false, _) => "not consistent",
        (_, true) => "consistent; complete up to the checkpoint held elsewhere",
        _ => "consistent; completeness not proven",
    };
}
