using KeyService.Cli.Output;

namespace KeyService.Cli.Ceremonies;

/// <summary>A label for each bag, to be cut out: what the bag holds, and never a word of it.</summary>
internal static class LabelSheet
{
    public const string Name = "bag-labels.html";

    // 88 by 60 millimetres: two side by side on A4 and Letter.
    private static readonly Html Style = new("""
        <style>
        .labels { display: grid; grid-template-columns: 88mm 88mm; }
        .label { width: 88mm; min-height: 60mm; border: .2mm dashed #000; margin: 0 -.2mm -.2mm 0; padding: 4mm 5mm; break-inside: avoid; overflow-wrap: anywhere; font-size: 8.5pt; line-height: 1.3; }
        .label .bag { font-size: 15pt; font-weight: 700; line-height: 1.15; } .label .what { font-size: 11pt; font-weight: 600; margin: 1.5mm 0; }
        .label table { margin: 0; } .label th, .label td { border: 0; padding: 0 2mm .3mm 0; } .label th { width: 21mm; white-space: nowrap; font-weight: 400; color: #333; overflow-wrap: normal; } .label .hex { font-size: 7pt; }
        .label .top { display: flex; justify-content: space-between; gap: 2mm; align-items: flex-start; } .label .stamp { font-size: 8pt; }
        </style>

        """);

    public static PrintedSheet Of(PrintedCeremony ceremony)
    {
        List<Html> labels = [.. ceremony.Shares.Select(share => Share(ceremony, share)), .. ceremony.Copies.Select(copy => Copy(ceremony, copy))];
        return new PrintedSheet(Name, "Bag labels", "One label for each bag, 88 by 60 mm, to be cut along the dashed lines and stuck on the bag before it leaves the room.", labels.Count == 0 ? null : Html.Of($"""
            {Style}<p class="quiet">Print at 100 percent: a label is 88 mm wide and 60 mm high. Cut along the dashed lines. Compare the number on each label with the one that is printed on its bag.</p>
            <div class="labels">
            {labels}</div>
            """))
        {
            Absence = "no bag was filled in this ceremony.",
        };
    }

    private static Html Share(PrintedCeremony ceremony, RecordedShare share) => Label(ceremony, share.Bag, $"Share {share.Index} of {ceremony.ShareCount}, {share.Threshold} needed",
    [
        ("Set", Html.Of($"{share.Set}")), .. IdentityTable.Optional("Backup key", ceremony.BackupKey),
        ("Digest", Html.Digits(Convert.ToHexStringLower(share.Digest))),
        ("Custodian", Html.Of($"{ceremony.FullName(share.Custodian)}")), ("Sealed", Html.Of($"{PrintedCeremony.Minute(share.Time)}")),
    ]);

    private static Html Copy(PrintedCeremony ceremony, RecordedCopy copy) => Label(ceremony, copy.Bag, $"Copy {copy.Number} of {ceremony.Copies.Count} of the backup bundles",
    [
        .. IdentityTable.Optional("Installation", ceremony.Installation), .. IdentityTable.Optional("Backup key", ceremony.BackupKey), .. IdentityTable.Optional("Signed by", ceremony.Fact(BundleSteps.SignerFact)),
        ("Taken by", Html.Of($"{copy.CourierName}")), ("Kept at", Html.Of($"{copy.Place}")), ("Sealed", Html.Of($"{PrintedCeremony.Minute(copy.Time)}")),
    ]);

    private static Html Label(PrintedCeremony ceremony, string bag, string what, IEnumerable<(string Name, Html Value)> rows) => Html.Of($"""
        <div class="label">
        <div class="top"><div>Bag<br><span class="bag">{(bag.Length > 0 ? bag : "no number")}</span></div>{PageFrame.Stamp(ceremony.Mark)}</div>
        <div class="what">{what}</div>
        <table>
        {rows.Select(row => Html.Of($"<tr><th>{row.Name}</th><td>{row.Value}</td></tr>\n"))}<tr><th>Ceremony</th><td>{Html.Digits(ceremony.Id)}</td></tr>
        </table>
        </div>

        """);
}
