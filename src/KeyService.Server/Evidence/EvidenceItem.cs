namespace KeyService.Server.Evidence;

/// <summary>One file of evidence and what it answers.</summary>
/// <param name="Name">In the pack, for example "access/grants.json".</param>
/// <param name="Title">What it is, in a few words.</param>
/// <param name="Paragraph">Of 45 CFR, for example "164.312(a)(1)".</param>
/// <param name="Shows">What it shows, and what it does not, in a sentence or two.</param>
/// <param name="Count">How many things are in it.</param>
internal sealed record EvidenceItem(string Name, string Title, string Paragraph, string Shows, long Count, byte[] Content);

/// <summary>For which time evidence is asked.</summary>
/// <param name="From">First instant.</param>
/// <param name="Until">First instant after.</param>
internal readonly record struct EvidenceRange(DateTimeOffset From, DateTimeOffset Until)
{
    public bool Has(DateTimeOffset time) => time >= From && time < Until;
}
