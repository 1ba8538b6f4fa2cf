using System.Globalization;
using KeyService.Cli.Output;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>For somebody who has the bundles and the shares, years later, and none of our programs.</summary>
internal static class RecoverySheet
{
    public const string Name = "recovery.html";

    // 100 columns of code behind twelve of numbers are 174 mm wide in this size: A4 and Letter have more between their margins.
    private static readonly Html Style = new("""
        <style>
        .appendix { break-before: page; } .listing { font-size: 7.3pt; line-height: 1.32; margin: 3mm 0 0; white-space: pre; } .listing i { font-style: normal; color: #444; }
        .command { border: .2mm solid #777; padding: 1.5mm 2mm; margin: 1mm 0 2mm; white-space: pre-wrap; overflow-wrap: anywhere; break-inside: avoid; font-size: 8.5pt; } li { break-inside: avoid; }
        </style>

        """);

    private static readonly string[] Kinds =
    [
        CeremonyKind.Genesis, CeremonyKind.BackupKey, CeremonyKind.BackupExport, CeremonyKind.ShareCheck, CeremonyKind.Restore, CeremonyKind.RestoreDrill,
        CeremonyKind.TokenEnrolment, CeremonyKind.RootChange,
    ];

    public static PrintedSheet Of(PrintedCeremony ceremony)
    {
        var file = RecoveryFile.Load();
        return new PrintedSheet(Name, "Opening the backup without KeyService",
            "What is needed and what to do when there is no service, no HSM and none of its programs any more, with the program that does it printed in full. One print with each bag of shares, one with each copy of the bundles.",
            Kinds.Contains(ceremony.Kind) ? Body(ceremony, file) : null)
        {
            Absence = "this ceremony is not about the backup.",
        };
    }

    private static Html Body(PrintedCeremony ceremony, RecoveryFile file) => Html.Of($"""
        {Style}<p>For the day on which there is no KeyService any more: no server, no HSM, none of its programs. With what is listed here anybody who can use a computer opens everything that was encrypted. Nothing on these pages is secret; the shares are.</p>
        {Warning(ceremony)}<h2>What is needed</h2>
        <table>
        <thead><tr><th style="width: 52mm">What</th><th>Which, and where</th></tr></thead>
        <tr><td>Shares of the backup key, 33 words each, on paper in sealed bags</td><td>{Shares(ceremony)}</td></tr>
        <tr><td>The backup bundles: files that end in <code>.ksb</code>, the newest full one and each incremental one after it</td><td>{Bundles(ceremony)}</td></tr>
        <tr><td>Backup key, 16 digits</td><td>{(ceremony.BackupKey is { } key ? IdentityTable.Value(key) : Blank)}</td></tr>
        <tr><td>Key that signed the bundles, 64 digits</td><td>{(ceremony.Fact(BundleSteps.SignerFact) is { } signer ? IdentityTable.Value(signer) : Html.Of($"{Blank}<br><span class=\"quiet\">Write them in by hand: <code>keyservice backup signing-key</code> says them while the service stands.</span>"))}</td></tr>
        <tr><td>What is to be opened</td><td>archives (<code>.ksa</code>), or encrypted fields out of a database, and for fields of the client library its table <code>keyservice_wrapped_keys</code></td></tr>
        <tr><td>The program <code>{RecoveryFile.FileName}</code></td><td>on the medium beside the bundles, or from the appendix here. SHA-256:<br>{Html.Digits(file.Hash)}</td></tr>
        <tr><td>A computer with Python 3.9 or newer</td><td>Linux is what it was tried on. No network; a disk that can be wiped or destroyed afterwards, for keys and plaintext pass through its memory. Nothing has to be installed.</td></tr>
        </table>
        <h2>Step by step</h2>
        <p>Put everything into one directory of that computer, and open a terminal there.</p>
        <ol>
        <li><strong>Is the program right?</strong> Its hash must be the one above. Then it tests itself, its list of words included; a copy that was typed or scanned wrongly is refused.
        <div class="command"><code>sha256sum {RecoveryFile.FileName}<br>python3 -I -S {RecoveryFile.FileName} self-test</code></div></li>
        <li><strong>What is in the bundle?</strong> No share is needed for this. It says the digits of the key that signed and of the backup key: compare both with those above. A bundle that somebody else signed is not to be used.
        <div class="command"><code>python3 -I -S {RecoveryFile.FileName} list --bundle FILE.ksb</code></div></li>
        <li><strong>Do the shares fit?</strong> One custodian after the other opens a bag before witnesses and types the words; they are not shown. Four letters of each word are enough. It says when a word was mistyped, and which backup key the shares give.
        <div class="command"><code>python3 -I -S {RecoveryFile.FileName} check</code></div></li>
        <li><strong>Open an archive.</strong> The shares are asked for again. The file appears when all of it was proven to be what was encrypted, and not before. Several bundles are named one behind the other.
        <div class="command"><code>python3 -I -S {RecoveryFile.FileName} open --bundle FILE.ksb --archive RECORDS.ksa -o RECORDS.tar</code></div></li>
        <li><strong>Open fields of a database.</strong> The file of tokens has one a line, alone or with its context: <code>&#123;"token": "ks1.…", "context": &#123;"table": "observation"&#125;&#125;</code>.
        <div class="command"><code>python3 -I -S {RecoveryFile.FileName} fields --bundle FILE.ksb --tokens TOKENS.jsonl -o FIELDS.jsonl</code></div></li>
        <li><strong>Afterwards</strong> wipe or destroy the disk, put the shares into new bags, and have a new backup key made if any service still uses this one: it has been in that computer's memory.</li>
        </ol>
        <p>Every command says in one line what is wrong and in one what to do, and with <code>--help</code> everything that it can. A wrong share or a damaged file opens nothing, and harms nothing: try again.</p>
        <section class="appendix">
        <h2>Appendix: {RecoveryFile.FileName}, {file.Lines.Count} lines</h2>
        <p>Each line below begins with its number and four check digits; what stands behind the bar and one space is the line. It is plain ASCII with spaces for indents, a newline behind each line, the last one too.</p>
        <p><strong>To scan it:</strong> read the pages with any text recognition set to a monospaced font, and cut off everything up to the bar and the space behind it. <strong>To type it:</strong> several people can type some pages each; indents count, and a line that looks empty is empty.</p>
        <p><strong>To find mistakes:</strong> this prints number and check digits of each line of what was typed, to compare with the pages. The digits are the first four of the line's SHA-256, the newline not included. The file is right when <code>sha256sum</code> gives {Html.Digits(file.Hash)}</p>
        <div class="command"><code>python3 -c 'import hashlib<br>for n, l in enumerate(open("{RecoveryFile.FileName}", "rb"), 1):<br>    print(n, hashlib.sha256(l.rstrip(b"\n")).hexdigest()[:4])'</code></div>
        <pre class="listing">{Listing(file)}</pre>
        </section>
        """);

    private static Html Blank { get; } = new("<span class=\"write\" style=\"width: 100%\"></span>");

    private static Html Warning(PrintedCeremony ceremony) => ceremony.Mark.Length == 0
        ? Html.Empty
        : Html.Of($"<div class=\"deviation\"><strong>{ceremony.Mark}.</strong> The shares and copies that are named here open nothing of value. These pages show what the real ones look like.</div>\n");

    private static Html Shares(PrintedCeremony ceremony)
    {
        if (ceremony.Shares.Count == 0)
        {
            return Html.Of($"Those of the newest <code>genesis</code> or <code>backup-key</code> ceremony: how many are needed, and who holds them, is in its printed matter. Needed, and held by:<br>{Blank}<br>{Blank}");
        }
        var needed = ceremony.Shares[0].Threshold;
        return Html.Of($"<strong>any {needed} of {ceremony.ShareCount}</strong>, of set {ceremony.Shares[0].Set}, made on {PrintedCeremony.Day(ceremony.Ended)}:<ul>{ceremony.Shares.Select(share => Html.Of($"<li>share {share.Index}: {ceremony.FullName(share.Custodian)}, bag {share.Bag}</li>"))}</ul>");
    }

    private static Html Bundles(PrintedCeremony ceremony) => ceremony.Copies.Count == 0
        ? Html.Of($"Kept at:<br>{Blank}<br>{Blank}")
        : Html.Of($"<ul>{ceremony.Copies.Select(copy => Html.Of($"<li>copy {copy.Number}: {(copy.Place.Length > 0 ? copy.Place : "place not said")}, bag {(copy.Bag.Length > 0 ? copy.Bag : "none")}, taken there by {copy.CourierName}</li>"))}</ul>");

    private static Html Listing(RecoveryFile file) => Html.Join(file.Lines.Select((line, at) =>
        Html.Of($"<i>{(at + 1).ToString(CultureInfo.InvariantCulture).PadLeft(4)} {RecoveryFile.CheckOf(line)} |</i>{(line.Length > 0 ? " " : "")}{line}\n")));
}
