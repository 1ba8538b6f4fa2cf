using System.Diagnostics.CodeAnalysis;
using KeyService.Server.Keys;

namespace KeyService.Server.Access;

/// <summary>
/// Which keys a grant covers: one name, a group (<c>ehr/*</c>: every name that begins with <c>ehr/</c>), or all (<c>*</c>).
/// </summary>
internal readonly record struct KeyPattern
{
    private KeyPattern(string text) => Text = text;

    public static KeyPattern All { get; } = new("*");

    public string Text { get; }

    public override string ToString() => Text;

    public bool Covers(string keyName)
    {
        ArgumentNullException.ThrowIfNull(keyName);
        if (Text == "*")
        {
            return true;
        }

        return Text.EndsWith("/*", StringComparison.Ordinal)
            ? keyName.AsSpan().StartsWith(Text.AsSpan(0, Text.Length - 1), StringComparison.Ordinal) && keyName.Length > Text.Length - 1
            : string.Equals(Text, keyName, StringComparison.Ordinal);
    }

    /// <summary>Accepts <c>*</c>, a key name, or a key name followed by <c>/*</c>; at most 128 characters.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out KeyPattern pattern)
    {
        pattern = default;
        if (text is null || text.Length is 0 or > KeyName.MaxLength)
        {
            return false;
        }

        var name = text.EndsWith("/*", StringComparison.Ordinal) ? text[..^2] : text;
        if (text != "*" && !KeyName.TryParse(name, out _))
        {
            return false;
        }

        pattern = new KeyPattern(text);
        return true;
    }
}
