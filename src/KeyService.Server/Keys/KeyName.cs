using System.Text;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Keys;

/// <summary>
/// Name of a key: 1 to 128 characters; segments of [a-z0-9._-] that begin with a letter or digit, joined by "/" for grouping.
/// An instance other than the default is a valid name.
/// </summary>
internal readonly record struct KeyName
{
    public const int MaxLength = 128;

    /// <summary>The grammar as callers are told it.</summary>
    public const string Rule = "must be 1 to 128 characters: segments of [a-z0-9._-] beginning with a letter or digit, joined by \"/\"";

    private KeyName(string value) => Value = value;

    public string Value { get; }

    public static bool TryParse(string? text, out KeyName name)
    {
        name = default;
        if (text is null || text.Length > MaxLength)
        {
            return false;
        }

        Span<byte> ascii = stackalloc byte[MaxLength];
        if (!Encoding.UTF8.TryGetBytes(text, ascii, out var length) || !IsName(ascii[..length]))
        {
            return false;
        }

        name = new KeyName(text);
        return true;
    }

    /// <summary>Parses a name as it came over the wire.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out KeyName name)
    {
        var valid = IsName(text);
        name = valid ? new KeyName(Encoding.ASCII.GetString(text)) : default;
        return valid;
    }

    /// <summary>The name in a request.</summary>
    /// <param name="field">The request's field, for the refusal.</param>
    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static KeyName Require(string? text, string field) =>
        TryParse(text, out var name) ? name : throw Refusal.InvalidArgument(field, Rule);

    /// <inheritdoc cref="Require(string?, string)"/>
    public static KeyName Require(ReadOnlySpan<byte> text, string field) =>
        TryParse(text, out var name) ? name : throw Refusal.InvalidArgument(field, Rule);

    public override string ToString() => Value ?? "";

    private static bool IsName(ReadOnlySpan<byte> text)
    {
        if (text.Length is 0 or > MaxLength)
        {
            return false;
        }

        var segmentBegins = true;
        foreach (var character in text)
        {
            var isLetterOrDigit = character is (>= (byte)'a' and <= (byte)'z') or (>= (byte)'0' and <= (byte)'9');
            if (!isLetterOrDigit && (segmentBegins || character is not ((byte)'.' or (byte)'_' or (byte)'-' or (byte)'/')))
            {
                return false;
            }

            segmentBegins = character == (byte)'/';
        }

        return !segmentBegins;
    }
}
