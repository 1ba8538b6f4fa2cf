using System.Text;

namespace KeyService.Cli.Output;

/// <summary>
/// Results on stdout: JSON objects, one a line; or, for people, a table on a terminal and aligned columns without
/// decoration elsewhere.
/// </summary>
internal sealed class Report(bool json, bool terminal)
{
    private readonly Stream output = Console.OpenStandardOutput();

    public bool IsJson => json;

    /// <summary>One result.</summary>
    public void Write(Record record)
    {
        if (json)
        {
            output.Write(JsonLines.Line(record));
            return;
        }
        WriteText(Lines(record, ""));
    }

    /// <summary>A list. JSON goes out as it comes; a table waits for the widths of its columns.</summary>
    public async Task WriteListAsync(IAsyncEnumerable<Record> records, string whenEmpty, CancellationToken cancellation)
    {
        var rows = new List<Record>();
        await foreach (var record in records.WithCancellation(cancellation).ConfigureAwait(false))
        {
            if (json)
            {
                output.Write(JsonLines.Line(record));
            }
            else
            {
                rows.Add(record);
            }
        }
        if (json)
        {
            return;
        }
        if (rows.Count == 0)
        {
            WriteText(whenEmpty + "\n");
        }
        else if (PlainTable.Format(rows) is var plain && terminal && TerminalTable.Fits(plain, rows))
        {
            TerminalTable.Write(rows);
        }
        else
        {
            WriteText(plain);
        }
    }

    /// <summary>One line of a stream: an object, or its values in columns of fixed width.</summary>
    public void WriteLine(Record record, string text)
    {
        if (json)
        {
            output.Write(JsonLines.Line(record));
        }
        else
        {
            WriteText(text + "\n");
        }
    }

    /// <summary>Text as it is (base64, a completion script).</summary>
    public void WriteText(string text) => output.Write(Encoding.UTF8.GetBytes(text));

    private static string Lines(Record record, string indent)
    {
        var text = new StringBuilder();
        var width = record.Count == 0 ? 0 : record.Max(field => field.Key.Length) + 2;
        foreach (var (name, value) in record)
        {
            var label = indent + (Label(name) + ":").PadRight(width);
            switch (value)
            {
                case Record nested:
                    text.Append(label.TrimEnd()).Append('\n').Append(Lines(nested, indent + "  "));
                    break;
                case IReadOnlyList<Record> { Count: > 0 } list:
                    text.Append(label.TrimEnd()).Append('\n');
                    var table = PlainTable.Format(list).Split('\n', StringSplitOptions.RemoveEmptyEntries);
                    text.Append(string.Concat(table.Select(line => $"{indent}  {line}\n")));
                    break;
                case IReadOnlyList<Record>:
                    text.Append(label).Append("-\n");
                    break;
                default:
                    text.Append(label).Append(Record.Text(value)).Append('\n');
                    break;
            }
        }
        return text.ToString();
    }

    private static string Label(string name) => name.Replace('_', ' ');
}
