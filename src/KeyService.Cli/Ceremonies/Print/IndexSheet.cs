using System.Security.Cryptography;
using KeyService.Cli.Output;

namespace KeyService.Cli.Ceremonies;

/// <summary>What was written, what it is for, and how it is printed.</summary>
internal static class IndexSheet
{
    public const string Name = "index.html";

    public static PrintedSheet Of(PrintedCeremony ceremony, IReadOnlyList<PrintedSheet> sheets) => new(Name, "Printed matter of a key ceremony", "Lists what there is.", Html.Of($"""
        {IdentityTable.Short(ceremony)}
        <table>
        <thead><tr><th style="width: 44mm">To print</th><th>What it is for</th></tr></thead>
        {sheets.Where(sheet => sheet.Body is not null).Select(sheet => Html.Of($"""
            <tr><td><a href="{sheet.Name}">{sheet.Title}</a><br><code>{sheet.Name}</code></td><td>{sheet.Purpose}<br><span class="quiet">SHA-256 {Html.Digits(Convert.ToHexStringLower(SHA256.HashData(sheet.ToArray(ceremony))))}</span></td></tr>

            """))}
        </table>
        {Left(sheets)}
        <h2>How to print</h2>
        <ol>
        <li>Open each page in a browser and print it on A4 or Letter, at 100 percent, with the browser's own headers and footers switched off. The pages need no network and fetch nothing.</li>
        <li>Compare the last hash at the foot of each page with the one that was read aloud and written down at the end of the ceremony.</li>
        <li>Labels go on bags before these leave the room; each receipt is signed in two copies; the attestation is signed by everybody named on it.</li>
        <li>File the attestation and the annotated script with the transcript. Recovery instructions go with the shares and with the bundles, one print each.</li>
        </ol>
        <p>No page holds a secret: all of it comes from the transcript, in which shares stand by their numbers and digests only.</p>
        """));

    private static Html Left(IReadOnlyList<PrintedSheet> sheets) => sheets.All(sheet => sheet.Body is not null)
        ? Html.Empty
        : Html.Of($"<h2>Not printed</h2>\n<ul>\n{sheets.Where(sheet => sheet.Body is null).Select(sheet => Html.Of($"<li>{sheet.Title} (<code>{sheet.Name}</code>): {sheet.Absence}</li>\n"))}</ul>");
}
