using KeyService.Server.Audit;

namespace KeyService.Server.Trust;

/// <summary>A row that is not what the log says of it.</summary>
/// <param name="Table">The table.</param>
/// <param name="RowId">The row's primary key as text.</param>
/// <param name="Finding">What is wrong, as the end of a sentence.</param>
internal sealed record ScrubFinding(string Table, string RowId, string Finding);

/// <summary>What a scrub found.</summary>
/// <param name="Rows">Rows that stand in the tables.</param>
/// <param name="Records">Records of all slots that were read; few when an earlier scrub had read the rest.</param>
/// <param name="HasBegun">Whether the log knows all rows; until it does, a row that it never saw is not held against the store.</param>
/// <param name="FindingCount">Number of rows with a finding.</param>
/// <param name="Findings">At most <see cref="Scrub.MaxFindings"/> of them.</param>
/// <param name="Logs">What was found in the log itself, a report for each slot.</param>
/// <param name="Duration">How long it took.</param>
internal sealed record ScrubReport(
    long Rows, long Records, bool HasBegun, long FindingCount, IReadOnlyList<ScrubFinding> Findings, IReadOnlyList<AuditReport> Logs, TimeSpan Duration)
{
    /// <summary>Nothing was found, neither in the rows nor in the log.</summary>
    public bool IsClean => FindingCount == 0 && Logs.All(log => log.Findings.Count == 0);

    /// <summary>One sentence.</summary>
    public string Summary => IsClean
        ? $"{Rows} rows are what the log says of them{(HasBegun ? "" : ", as far as it knows them")}"
        : $"{FindingCount} of {Rows} rows are not what the log says of them, {Logs.Sum(log => log.Findings.Count)} findings in the log itself";
}
