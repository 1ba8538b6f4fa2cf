using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;

namespace KeyService.Cli.Output;

/// <summary>
/// A piece of HTML. <see cref="Of"/> takes what stands in braces as text and encodes it; only what is <see cref="Html"/> already goes in as it is, so that
/// nobody's name becomes markup.
/// </summary>
internal readonly record struct Html(string Markup)
{
    public static Html Empty { get; } = new("");

    public static Html Of(HtmlText text) => new(text.ToString());

    public static Html Join(IEnumerable<Html> pieces) => new(string.Concat(pieces.Select(each => each.Markup)));

    /// <summary>Hexadecimal digits in groups of eight, which may break between them; copied or searched they are one word.</summary>
    public static Html Digits(string hex) =>
        Of($"<span class=\"hex\">{Join(hex.Chunk(8).Select(group => Of($"<span>{new string(group)}</span>")))}</span>");

    /// <summary>Text as a reader sees it: encoded, and without characters that would reorder or hide what stands beside them.</summary>
    internal static string Encode(string text) => WebUtility.HtmlEncode(
        string.Concat(Terminal.Printable(text).EnumerateRunes().Select(rune => Rune.GetUnicodeCategory(rune) == UnicodeCategory.Format ? $"\\u{{{rune.Value:x}}}" : rune.ToString())));
}

/// <summary>How the compiler puts <see cref="Html"/> together.</summary>
[InterpolatedStringHandler]
internal readonly ref struct HtmlText(int literalLength, int formattedCount)
{
    private readonly StringBuilder markup = new(literalLength + (16 * formattedCount));

    public void AppendLiteral(string literal) => markup.Append(literal);

    public void AppendFormatted(Html html) => markup.Append(html.Markup);

    public void AppendFormatted(IEnumerable<Html> pieces) => markup.Append(Html.Join(pieces).Markup);

    public void AppendFormatted(string? text) => markup.Append(Html.Encode(text ?? ""));

    public void AppendFormatted(int number) => markup.Append(CultureInfo.InvariantCulture, $"{number}");

    public override string ToString() => markup.ToString();
}
