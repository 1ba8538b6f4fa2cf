using System.Globalization;
using System.Text;

namespace KeyService.Crypto.Approvals;

/// <summary>One parameter of a request.</summary>
/// <param name="Name">Path of the field: 1 to 256 characters of [a-z0-9_.[\]], beginning with a letter.</param>
/// <param name="Value">Any text without U+FFFD and lone surrogates; may be empty.</param>
public sealed record RequestParameter(string Name, string Value)
{
    private const int MaxNameLength = 256;

    /// <summary>Whether name and value keep their rules.</summary>
    public bool IsValid => Name.Length is > 0 and <= MaxNameLength && char.IsAsciiLetterLower(Name[0])
        && Name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '_' or '.' or '[' or ']')
        && Value.EnumerateRunes().All(rune => rune.Value != 0xFFFD);

    /// <summary>
    /// The value in printable ASCII: a backslash doubled, everything outside U+0020 to U+007E as <c>\u{HEX}</c>, so that nothing in it can hide, look
    /// like another line or turn the direction of the text.
    /// </summary>
    internal string Escaped()
    {
        var text = new StringBuilder(Value.Length);
        foreach (Rune rune in Value.EnumerateRunes())
        {
            if (rune.Value == '\\')
            {
                text.Append(@"\\");
            }
            else if (rune.Value is >= 0x20 and <= 0x7E)
            {
                text.Append((char)rune.Value);
            }
            else
            {
                text.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:x}}}");
            }
        }
        return text.ToString();
    }

    /// <summary>What <see cref="Escaped"/> made of a value; false for every other text.</summary>
    internal static bool TryUnescape(string escaped, out string value)
    {
        var text = new StringBuilder(escaped.Length);
        value = "";
        for (int at = 0; at < escaped.Length; at++)
        {
            if (escaped[at] != '\\')
            {
                text.Append(escaped[at]);
                continue;
            }
            string rest = escaped[(at + 1)..];
            int end = rest.IndexOf('}', StringComparison.Ordinal);
            if (rest.StartsWith('\\'))
            {
                text.Append('\\');
                at++;
            }
            else if (rest.StartsWith("u{", StringComparison.Ordinal) && end is > 2 and <= 8
                && int.TryParse(rest[2..end], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code)
                && Rune.IsValid(code))
            {
                text.Append(new Rune(code).ToString());
                at += end + 1;
            }
            else
            {
                return false;
            }
        }
        value = text.ToString();
        return new RequestParameter("v", value) is { IsValid: true } parsed && parsed.Escaped() == escaped;
    }
}
