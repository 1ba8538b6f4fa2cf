using KeyService.Cli.Output;

namespace KeyService.Cli.Ceremonies;

/// <summary>What stands around the body of everything that is printed: one file, no script, nothing from elsewhere, a mark on each page of what does not count.</summary>
/// <param name="Title">Of the document, in the margin too; of characters that need no escaping in CSS, as the other three.</param>
/// <param name="Mark">Empty for what counts.</param>
/// <param name="Corner">Upper right corner of each page.</param>
/// <param name="Foot">Left end of each page's foot.</param>
internal sealed record PageFrame(string Title, string Mark, string Corner, string Foot)
{
    public static Html End { get; } = new("\n</body>\n</html>\n");

    public Html Begin => Html.Of($"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
        <title>{(Mark.Length > 0 ? $"{Mark}: " : "")}{Title}, {Foot}</title>
        <style>
        {PrintStyle.Common}
        {Margins}
        </style>
        </head>
        <body>
        {(Mark.Length > 0 ? Html.Of($"<div class=\"mark\" aria-hidden=\"true\"><span>{Mark}</span></div>\n") : Html.Empty)}
        """);

    /// <summary>The mark, for what is cut out of a page.</summary>
    public static Html Stamp(string mark) => mark.Length > 0 ? Html.Of($"<span class=\"stamp\">{mark}</span>") : Html.Empty;

    private Html Margins
    {
        get
        {
            var mark = Mark.Length > 0
                ? $" @top-center {{ content: \"{Mark}\"; font-size: 12pt; font-weight: 700; letter-spacing: .08em; border: .5mm solid #000; padding: 0 2mm; height: 7mm; width: auto; margin: auto; }}"
                : "";
            return new Html($$"""
                @page { margin: 20mm 16mm 18mm; font: 8pt "Helvetica Neue", Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif;
                @top-left { content: "{{Title}}"; }{{mark}} @top-right { content: "{{Corner}}"; }
                @bottom-left { content: "{{Foot}}"; } @bottom-right { content: "Page " counter(page) " of " counter(pages); } }
                """);
        }
    }
}
