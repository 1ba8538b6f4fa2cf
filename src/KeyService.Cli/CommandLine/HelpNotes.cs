using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace KeyService.Cli.CommandLine;

/// <summary>What --help says below a command's options: descriptions stay one line long, because lists show them too.</summary>
internal static class HelpNotes
{
    private static readonly Dictionary<Command, string> Notes = [];

    public static Command WithNotes(this Command command, string notes)
    {
        Notes[command] = notes;
        return command;
    }

    /// <summary>Replaces the built-in help option, which would also take the /? of another system.</summary>
    public static void Install(RootCommand root)
    {
        var own = new HelpOption("--help", "-h") { Description = "Show help" };
        own.Action = new Help((HelpAction)own.Action!);
        root.Options.Remove(root.Options.OfType<HelpOption>().Single());
        root.Add(own);
    }

    private sealed class Help(HelpAction inner) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var code = inner.Invoke(parseResult);
            if (Notes.TryGetValue(parseResult.CommandResult.Command, out var notes))
            {
                parseResult.InvocationConfiguration.Output.WriteLine(notes);
                parseResult.InvocationConfiguration.Output.WriteLine();
            }
            return code;
        }
    }
}
