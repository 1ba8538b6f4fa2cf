namespace KeyService.Server.Evidence;

/// <summary>For which time evidence is asked.</summary>
/// <param name="From">First instant.</param>
/// <param name="Until">First instant after.</param>
internal readonly record struct EvidenceRange(DateTimeOffset From, DateTimeOffset Until)
{
    public bool Has(DateTimeOffset time) => time >= From && time < Until;
}
