namespace KeyService.Server.Audit.Retention;

/// <summary>Section <c>retention</c>: docs/spec/configuration.md.</summary>
/// <param name="Years">How long records are kept at least after the end of their month: 6 (45 CFR 164.316(b)(2)(i)) to 100.</param>
/// <param name="ArchiveDueDays">Days after a month's end by which it stands in an archive, 1 to 365; 0: no alarm.</param>
internal sealed record RetentionConfiguration(int Years = RetentionConfiguration.LeastYears, int ArchiveDueDays = 0)
{
    public const int LeastYears = 6;
    public const int MostYears = 100;
    public const int MostDueDays = 365;
}
