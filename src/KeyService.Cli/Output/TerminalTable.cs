using Spectre.Console;

namespace KeyService.Cli.Output;

/// <summary>A table for a person at a terminal. In a file of its own so that nothing else loads Spectre.Console.</summary>
internal static class TerminalTable
{
    /// <summary>Whether the table is narrower than the terminal: broken in the middle of an id it could not be copied from.</summary>
    public static bool Fits(string plain, IReadOnlyList<Record> rows) =>
        plain.Split('\n').Max(line => line.Length) + (2 * PlainTable.Columns(rows).Length) + 2 <= Console.WindowWidth;

    public static void Write(IReadOnlyList<Record> rows)
    {
        var names = PlainTable.Columns(rows);
        var table = new Table { Border = TableBorder.Simple };
        foreach (var name in names)
        {
            table.AddColumn(new TableColumn(new Text(PlainTable.Heading(name), new Style(decoration: Decoration.Bold))));
        }
        foreach (var row in rows)
        {
            table.AddRow(PlainTable.Cells(row, names).Select(cell => new Text(cell)));
        }
        AnsiConsole.Write(table);
    }
}
