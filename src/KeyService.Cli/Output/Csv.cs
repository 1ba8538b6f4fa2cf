using System.Text;

namespace KeyService.Cli.Output;

/// <summary>
/// Records as CSV (RFC 4180): a header of their names, every value in quotation marks, CRLF. A value that a spreadsheet would take for a formula gets an
/// apostrophe before it.
/// </summary>
internal static class Csv
{
    private const string Formulas = "=+-@\t\r";

    public static string Header(Record record) => Line(record.Select(field => field.Key));

    public static string Line(Record record) => Line(record.Select(field => Text(field.Value)));

    private static string Text(object? value) => value switch
    {
        null => "",
        string text => text,
        bool flag => flag ? "true" : "false",
        _ => Record.Text(value) is var text && text == "-" ? "" : text,
    };

    private static string Line(IEnumerable<string> values)
    {
        var line = new StringBuilder();
        foreach (var value in values)
        {
            line.Append(line.Length == 0 ? "\"" : ",\"");
            if (value.Length > 0 && Formulas.Contains(value[0], StringComparison.Ordinal))
            {
                line.Append('\'');
            }
            line.Append(value.Replace("\"", "\"\"", StringComparison.Ordinal)).Append('"');
        }
        return line.Append("\r\n").ToString();
    }
}
