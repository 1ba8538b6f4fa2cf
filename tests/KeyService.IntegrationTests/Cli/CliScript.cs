using System.Text;
using System.Text.RegularExpressions;

namespace KeyService.IntegrationTests.Cli;

/// <summary>
/// A readable script of commands and what they answer (scripts/README.md):
/// <code>
/// # comment
/// as backup                  the client profile of what follows: administrator, database, backup
/// write NAME                 a file whose lines follow, each after "| "
/// $ command                  run by bash in the script's own directory; a line that ends with \ goes on in the next
/// > pattern                  a line of its stdout; * stands for anything, a line "> ..." for any number of lines
/// ! pattern                  a line of its stderr, likewise
/// exit N                     its exit code, 0 when absent
/// </code>
/// What a command writes and the script does not name is a failure.
/// </summary>
internal sealed class CliScript
{
    private CliScript(string name, IReadOnlyList<Step> steps)
    {
        Name = name;
        Steps = steps;
    }

    public string Name { get; }

    public IReadOnlyList<Step> Steps { get; }

    public static CliScript Read(string path)
    {
        var steps = new List<Step>();
        var identity = "backup";
        var lines = File.ReadAllLines(path);
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i];
            var number = i + 1;
            switch (line)
            {
                case var _ when line.Length == 0 || line[0] == '#':
                    break;
                case var _ when line.StartsWith("as ", StringComparison.Ordinal):
                    identity = line[3..].Trim();
                    break;
                case var _ when line.StartsWith("write ", StringComparison.Ordinal):
                    var content = new StringBuilder();
                    while (i + 1 < lines.Length && lines[i + 1].StartsWith('|'))
                    {
                        content.Append(lines[++i].Length > 1 ? lines[i][2..] : "").Append('\n');
                    }
                    steps.Add(new FileStep(number, line[6..].Trim(), content.ToString()));
                    break;
                case var _ when line.StartsWith("$ ", StringComparison.Ordinal):
                    var command = line[2..];
                    while (command.EndsWith('\\'))
                    {
                        command = command[..^1] + lines[++i].TrimStart();
                    }
                    steps.Add(new CommandStep(number, identity, command));
                    break;
                case var _ when line.StartsWith('>') && steps[^1] is CommandStep step:
                    step.Output.Add(line.Length > 2 ? line[2..] : "");
                    break;
                case var _ when line.StartsWith('!') && steps[^1] is CommandStep step:
                    step.Error.Add(line.Length > 2 ? line[2..] : "");
                    break;
                case var _ when line.StartsWith("exit ", StringComparison.Ordinal) && steps[^1] is CommandStep step:
                    step.ExitCode = int.Parse(line[5..], System.Globalization.CultureInfo.InvariantCulture);
                    break;
                default:
                    throw new FormatException($"{path}:{number}: not understood: {line}");
            }
        }
        return new CliScript(Path.GetFileNameWithoutExtension(path), steps);
    }

    /// <summary>Null when the lines are what the patterns say, else what is wrong.</summary>
    public static string? Mismatch(IReadOnlyList<string> patterns, string text)
    {
        var expected = string.Concat(patterns.Select(pattern => pattern == "..." ? "(?:.*\n)*?" : Escape(pattern) + "\n"));
        var actual = text.Length == 0 || text.EndsWith('\n') ? text : text + "\n";
        return Regex.IsMatch(actual, @"\A(?:" + expected + @")\z", RegexOptions.None, TimeSpan.FromSeconds(10))
            ? null
            : $"expected\n{Indent(patterns)}\nbut it was\n{Indent(actual.TrimEnd('\n').Split('\n'))}";
    }

    private static string Escape(string pattern) => Regex.Escape(pattern).Replace(@"\*", "[^\n]*", StringComparison.Ordinal);

    private static string Indent(IEnumerable<string> lines) => string.Join('\n', lines.Select(line => "    " + line));

    internal abstract record Step(int Line);

    internal sealed record FileStep(int Line, string Path, string Content) : Step(Line);

    internal sealed record CommandStep(int Line, string Identity, string Command) : Step(Line)
    {
        public List<string> Output { get; } = [];

        public List<string> Error { get; } = [];

        public int ExitCode { get; set; }
    }
}
