using System.CommandLine;

namespace KeyService.Cli.CommandLine;

/// <summary>What stands on the command line before and after <c>--</c>.</summary>
internal static class CommandLineInput
{
    public const string NoSuchOption = "There is no option ";

    /// <summary>
    /// Everything after the first <c>--</c> is the producer command and is not looked at: its options are its own. Null
    /// when there is no <c>--</c>.
    /// </summary>
    public static (string[] Own, string[]? Producer) Split(string[] arguments)
    {
        var at = Array.IndexOf(arguments, "--");
        return at < 0 ? (arguments, null) : (arguments[..at], arguments[(at + 1)..]);
    }

    /// <summary>What is wrong, the misspelt option first: it is what makes the rest not fit.</summary>
    public static string ErrorOf(ParseResult parse) =>
        (parse.Errors.FirstOrDefault(error => error.Message.StartsWith(NoSuchOption, StringComparison.Ordinal)) ?? parse.Errors[0]).Message;

    /// <summary>The command whose --help answers a parse error.</summary>
    public static string HelpLineFor(ParseResult parse)
    {
        var names = new List<string>();
        for (var command = parse.CommandResult; command is not null; command = command.Parent as System.CommandLine.Parsing.CommandResult)
        {
            names.Insert(0, command.Command is RootCommand ? "keyservice" : command.Command.Name);
        }
        return string.Join(' ', names) + " --help";
    }
}
