using System.Text;
using KeyService.Cli.Output;

namespace KeyService.Cli.Ceremonies;

/// <summary>One file of the printed matter.</summary>
/// <param name="Name">Of the file.</param>
/// <param name="Title">What stands above it.</param>
/// <param name="Purpose">What it is for, as a sentence.</param>
/// <param name="Body">Null when the ceremony has nothing of the kind.</param>
internal sealed record PrintedSheet(string Name, string Title, string Purpose, Html? Body)
{
    /// <summary>Why there is none, as a sentence.</summary>
    public string? Absence { get; init; }

    /// <summary>Whether its first page begins with the title; labels and receipts have their own.</summary>
    public bool HasTitle { get; init; } = true;

    /// <summary>The file: everything in it, no script, nothing from elsewhere.</summary>
    public byte[] ToArray(PrintedCeremony ceremony) => Encoding.UTF8.GetBytes(Html.Of($"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
        <title>{(ceremony.Mark.Length > 0 ? $"{ceremony.Mark}: " : "")}{Title}, {ceremony.Kind} {ceremony.Id}</title>
        <style>
        {PrintStyle.Common}
        {PrintStyle.Margins(ceremony, Title)}
        </style>
        </head>
        <body>
        {(ceremony.Mark.Length > 0 ? Html.Of($"<div class=\"mark\" aria-hidden=\"true\"><span>{ceremony.Mark}</span></div>\n") : Html.Empty)}{(HasTitle ? Html.Of($"<h1>{Title}</h1>\n") : Html.Empty)}{Body!.Value}
        </body>
        </html>

        """).Markup);

    /// <summary>The mark, for what is cut out of a page.</summary>
    public static Html Stamp(PrintedCeremony ceremony) => ceremony.Mark.Length > 0 ? Html.Of($"<span class=\"stamp\">{ceremony.Mark}</span>") : Html.Empty;
}
