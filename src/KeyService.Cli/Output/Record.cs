using System.Globalization;

namespace KeyService.Cli.Output;

/// <summary>
/// A result: snake_case names with values, in their order. The same record is an object in JSON, a row in a list and
/// lines on a terminal, so that none of the three can forget a field.
/// Values: string, bool, integers, double, DateTimeOffset (RFC 3339 UTC), lists of strings, pairs (an object), Record, lists of
/// Record, null.
/// </summary>
internal sealed class Record : List<KeyValuePair<string, object?>>
{
    /// <summary>Fields that a list leaves out on a terminal; JSON always has them.</summary>
    public HashSet<string> DetailOnly { get; } = [];

    public object? this[string name]
    {
        set => Add(new(name, value));
    }

    /// <summary>A field that a table leaves out.</summary>
    public Record Detail(string name, object? value)
    {
        Add(new(name, value));
        DetailOnly.Add(name);
        return this;
    }

    /// <summary>A value for people.</summary>
    public static string Text(object? value) => value switch
    {
        null => "-",
        string text => text.Length == 0 ? "-" : Terminal.Printable(text),
        bool flag => flag ? "yes" : "no",
        DateTimeOffset time => Time(time),
        IReadOnlyList<KeyValuePair<string, string>> pairs => pairs.Count == 0
            ? "-"
            : Terminal.Printable(string.Join(' ', pairs.Select(p => $"{p.Key}={p.Value}"))),
        IEnumerable<string> list => list.Any() ? Terminal.Printable(string.Join(", ", list)) : "-",
        double number => number.ToString("0.###", CultureInfo.InvariantCulture),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "-",
    };

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
