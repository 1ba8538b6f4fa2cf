using System.Text;

namespace KeyService.Cli.Output;

/// <summary>Columns for files and pipes: a heading and rows, two spaces between, nothing else.</summary>
internal static class PlainTable
{
    public static string Format(IReadOnlyList<Record> rows)
    {
        var names = Columns(rows);
        var cells = new List<string[]> { Array.ConvertAll(names, Heading) };
        cells.AddRange(rows.Select(row => Cells(row, names)));
        var widths = names.Select((_, column) => cells.Max(row => row[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var row in cells)
        {
            var line = string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column])));
            text.Append(line.TrimEnd()).Append('\n');
        }
        return text.ToString();
    }

    public static string[] Columns(IReadOnlyList<Record> rows) =>
        [.. rows[0].Select(field => field.Key).Where(name => !rows[0].DetailOnly.Contains(name))];

    public static string Heading(string name) => name.Replace('_', ' ').ToUpperInvariant();

    public static string[] Cells(Record row, string[] names) =>
        Array.ConvertAll(names, name => Record.Text(row.First(field => field.Key == name).Value));
}
