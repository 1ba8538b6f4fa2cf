using System.Globalization;
using System.Net;
using System.Text;

namespace KeyService.Server.Evidence;

/// <summary>The page that a person opens first: one file, no script, nothing from elsewhere.</summary>
internal static class EvidencePage
{
    /// <summary>Its name in the pack.</summary>
    public const string Name = "index.html";

    private static readonly string[] NotIn =
    [
        "whether the site's policies are written and followed, and whether its staff is trained",
        "data stores that nobody registered with the service",
        "the officers who approved what takes a quorum (keyservice approval export has each)",
        "other servers of the installation, but for what they wrote into the common log and registers",
        "what was recorded after the log's checkpoint was signed",
    ];

    private const string LogNotIn = "the records of the log themselves: export them with keyservice audit export, and verify them against audit/checkpoint";

    /// <param name="developmentOnly">The HSM is a software token, or the profile is for development.</param>
    /// <param name="withLog">The audit log is in the pack.</param>
    public static byte[] Make(
        string installation, EvidenceRange range, DateTimeOffset made, bool developmentOnly, bool withLog, IReadOnlyList<EvidenceItem> items)
    {
        var page = new StringBuilder();
        page.Append(
            """
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <title>KeyService: evidence</title>
            <style>
            body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #111; background: #fff; }
            table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #ccc; }
            .development { border: 3px solid #b00; padding: .8rem 1rem; font-weight: bold; } code { font-size: .95em; overflow-wrap: anywhere; }
            </style>
            <h1>Evidence of a key service</h1>

            """);
        page.Append(CultureInfo.InvariantCulture, $"<p>Installation <code>{Text(installation)}</code>, {Text(Day(range.From))} to {Text(Day(range.Until))}, made {Text(Day(made))}.</p>\n");
        if (developmentOnly)
        {
            page.Append("<p class=\"development\">DEVELOPMENT ONLY: a software token or the development profile. This is no evidence for patient data.</p>\n");
        }

        page.Append("<p>Each file answers a paragraph of 45 CFR. Periods and thresholds are the site's own practice where the regulation names none. ")
            .Append("<code>keyservice evidence verify</code> checks this pack without the service: every file is the one that the service's HSM signed.</p>\n")
            .Append("<table>\n<tr><th>45 CFR</th><th>What</th><th>Shows</th><th>File</th></tr>\n");
        foreach (var item in items)
        {
            page.Append(CultureInfo.InvariantCulture,
                $"<tr><td>{Text(item.Paragraph)}</td><td>{Text(item.Title)}</td><td>{Text(item.Shows)}</td><td>{Link(item.Name)}<br>{item.Count} {(item.Count == 1 ? "entry" : "entries")}{string.Concat(item.Beside.Select(file => $"<br>{Link(file.Name)}"))}</td></tr>\n");
        }

        page.Append("</table>\n<h2>What this pack does not show</h2>\n<ul>\n");
        foreach (var gap in withLog ? NotIn : [.. NotIn, LogNotIn])
        {
            page.Append("<li>").Append(Text(gap)).Append("</li>\n");
        }

        return Encoding.UTF8.GetBytes(page.Append("</ul>\n</html>\n").ToString());
    }

    private static string Day(DateTimeOffset time) => time.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    private static string Link(string name) => $"<a href=\"{Text(name)}\">{Text(name)}</a>";

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
