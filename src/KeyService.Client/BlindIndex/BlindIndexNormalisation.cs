namespace KeyService.Client;

/// <summary>
/// Ways to bring a value into the one form that is indexed. They touch ASCII only, on purpose: case and composition of other letters depend on
/// the tables of the platform, and an index must come out the same in every process for as long as it stands. A method of your own
/// may be used instead; it is then for good, like these.
/// </summary>
public static class BlindIndexNormalisation
{
    /// <summary>As it is.</summary>
    public static string Exact(string value) => value;

    /// <summary>Without ASCII white space at both ends, ASCII letters in upper case.</summary>
    public static string TrimmedUpper(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Fold(value.Trim(' ', '\t', '\r', '\n', '\f', '\v'), static _ => true);
    }

    /// <summary>ASCII digits only: telephone and insurance numbers however they were typed.</summary>
    public static string Digits(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Fold(value, char.IsAsciiDigit);
    }

    /// <summary>ASCII letters in upper case and digits only: record numbers with or without hyphens and blanks.</summary>
    public static string LettersAndDigits(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Fold(value, char.IsAsciiLetterOrDigit);
    }

    private static string Fold(string value, Func<char, bool> keeps)
    {
        Span<char> folded = value.Length <= 256 ? stackalloc char[value.Length] : new char[value.Length];
        var length = 0;
        foreach (var c in value)
        {
            if (keeps(c))
            {
                folded[length++] = char.IsAsciiLetterLower(c) ? (char)(c - 32) : c;
            }
        }
        return new string(folded[..length]);
    }
}
