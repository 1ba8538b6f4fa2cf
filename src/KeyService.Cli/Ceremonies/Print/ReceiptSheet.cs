using KeyService.Cli.Output;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>A receipt for each bag that somebody takes along: a page each, in two halves, for the file and for the custodian.</summary>
internal static class ReceiptSheet
{
    public const string Name = "receipts.html";

    private static readonly Html Style = new("""
        <style>
        .receipt { break-after: page; } .receipt:last-child { break-after: auto; }
        .half { min-height: 118mm; padding-bottom: 5mm; break-inside: avoid; } .half + .half { border-top: .2mm dashed #000; padding-top: 6mm; }
        .half h2 { font-size: 14pt; margin: 0 0 2mm; display: flex; justify-content: space-between; align-items: center; gap: 4mm; } .half h2 small { font-size: 9pt; font-weight: 400; } .half .stamp { font-size: 9pt; }
        .half th, .half td { padding: .8mm 2mm .8mm 0; } .half .text { margin: 3mm 0 8mm; }
        .lines { display: grid; grid-template-columns: 1fr 1fr; gap: 9mm 8mm; } .lines div { border-top: .3mm solid #000; padding-top: 1mm; font-size: 8.5pt; overflow-wrap: anywhere; }
        </style>

        """);

    private sealed record Item(string What, string Bag, string Person, string Place, string Purpose, DateTimeOffset Time, IReadOnlyList<(string Name, Html Value)> Rows);

    public static PrintedSheet Of(PrintedCeremony ceremony)
    {
        List<Item> items = [.. ceremony.Shares.Select(share => Of(ceremony, share)), .. ceremony.Copies.Select(copy => Of(ceremony, copy))];
        return new PrintedSheet(Name, "Receipts for custody",
            "One page for each custodian's share and each copy of the bundles, in two halves: one is signed and filed, the other one stays with the custodian.",
            items.Count == 0 ? null : Html.Of($"{Style}{items.Select(item => Page(ceremony, item))}"))
        {
            HasTitle = false, Absence = "nobody took anything along.",
        };
    }

    private static Item Of(PrintedCeremony ceremony, RecordedShare share) => new(
        $"Share {share.Index} of {ceremony.ShareCount} of the backup key, on paper", share.Bag, ceremony.FullName(share.Custodian), "",
        "I open it in a key ceremony only and show it to nobody.", share.Time,
        [
            ("Quorum", Html.Of($"{share.Threshold} shares of {ceremony.ShareCount}, set {share.Set}")), .. IdentityTable.Optional("Backup key", ceremony.BackupKey),
            ("Digest", Html.Digits(Convert.ToHexStringLower(share.Digest))),
            .. ceremony.Transcript.Entries.Where(each => each.Type == TranscriptEntryType.Attach && each.Subject == $"share-{share.Index}-{share.Custodian}.bin").TakeLast(1)
                .Select(file => ("Encrypted file", Html.Of($"<code>{file.Subject}</code>, SHA-256 {Html.Digits(file.Text.Split(' ')[0])}"))),
        ]);

    private static Item Of(PrintedCeremony ceremony, RecordedCopy copy) => new(
        $"Copy {copy.Number} of {ceremony.Copies.Count} of the backup bundles, on a medium", copy.Bag, copy.CourierName, copy.Place,
        "I never keep it with a bag of shares.", copy.Time,
        [
            .. IdentityTable.Optional("Installation", ceremony.Installation), .. IdentityTable.Optional("Backup key", ceremony.BackupKey),
            .. ceremony.Transcript.Entries.Where(each => each.Type == TranscriptEntryType.Attach && each.Subject.StartsWith("bundle-", StringComparison.Ordinal)).TakeLast(3)
                .Select(file => (file.Subject, Html.Of($"digest {Html.Digits(file.Text.Split(' ')[0])}"))),
        ]);

    private static Html Page(PrintedCeremony ceremony, Item item) => Html.Of($"""
        <div class="receipt">
        {Half(ceremony, item, "for the file")}{Half(ceremony, item, "for who took it")}</div>

        """);

    private static Html Half(PrintedCeremony ceremony, Item item, string copy) => Html.Of($"""
        <div class="half">
        <h2><span>Receipt <small>{copy}</small></span>{PageFrame.Stamp(ceremony.Mark)}</h2>
        {IdentityTable.Table(
        [
            ("What", Html.Of($"<strong>{item.What}</strong>")), ("Bag", Html.Of($"<strong>{(item.Bag.Length > 0 ? item.Bag : "none")}</strong>, sealed {PrintedCeremony.Minute(item.Time)}")),
            .. item.Rows, ("Kept at", item.Place.Length > 0 ? Html.Of($"{item.Place}") : Html.Of($"<span class=\"write\" style=\"width: 100%\"></span>")),
            ("Ceremony", Html.Of($"{ceremony.Kind} {Html.Digits(ceremony.Id)}")),
        ])}
        <p class="text">{Text(ceremony, item)}</p>
        <div class="lines"><div>{item.Person}, who takes it</div><div>Date, time and place</div><div>{ceremony.Administrator}, who hands it out</div><div>{ceremony.Witness}, who saw it</div></div>
        </div>

        """);

    private static string Text(PrintedCeremony ceremony, Item item) => ceremony.IsVoid
        ? "The ceremony is void. This says what had been handed out by then; it is worth nothing, was brought back, and was destroyed before witnesses."
        : $"I have taken what stands above. The bag was closed and whole, and its number is the one above. I keep it at that place. {item.Purpose} If it is lost, opened or damaged, I say so to the security officer on the same day.";
}
