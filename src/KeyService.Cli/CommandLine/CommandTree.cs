using System.CommandLine;
using KeyService.Cli.Access;
using KeyService.Cli.Archives;
using KeyService.Cli.Audit;
using KeyService.Cli.Completion;
using KeyService.Cli.DataKeys;
using KeyService.Cli.Doctor;
using KeyService.Cli.Fields;
using KeyService.Cli.Keys;
using KeyService.Cli.Service;

namespace KeyService.Cli.CommandLine;

/// <summary>The whole command.</summary>
internal static class CommandTree
{
    /// <param name="producer">What stood after <c>--</c>, or null.</param>
    public static RootCommand Build(string[]? producer = null)
    {
        var root = new RootCommand("Keys, data keys and encrypted archives from a KeyService.")
        {
            EncryptCommand.Create(producer),
            DecryptCommand.Create(),
            VerifyCommand.Create(),
            InspectCommand.Create(),
            FieldCommands.Create(),
            DataKeyCommands.Create(),
            KeyCommands.Create(),
            PrincipalCommands.Create(),
            GrantCommands.Create(),
            WhoAmICommand.Create(),
            AuditCommands.Create(),
            StatusCommand.Create(),
            DoctorCommand.Create(),
            ServerCommands.Serve(),
            ServerCommands.Init(),
            ServerCommands.Config(),
            CompletionCommand.Create(),
        };
        root.WithNotes("""
            Exit codes:
              0 ok, 1 failed, 2 usage, 3 refused, 4 does not decrypt or verify, 5 service unavailable,
              6 not found or exists already, 7 producer command failed, 8 doctor found problems, 130 interrupted
            """);
        HelpNotes.Install(root);
        RefuseUnknownOptions(root);
        root.Add(GlobalOptions.Profile);
        root.Add(GlobalOptions.Json);
        root.Add(GlobalOptions.Quiet);
        return root;
    }

    // A misspelt option would otherwise be taken for a file or a name.
    private static void RefuseUnknownOptions(Command command)
    {
        foreach (var argument in command.Arguments)
        {
            argument.Validators.Add(result =>
            {
                if (result.Tokens.FirstOrDefault(token => token.Value.Length > 1 && token.Value[0] == '-') is { } option)
                {
                    result.AddError($"{CommandLineInput.NoSuchOption}{option.Value} (write ./{option.Value} for a file of that name).");
                }
            });
        }
        foreach (var subcommand in command.Subcommands)
        {
            RefuseUnknownOptions(subcommand);
        }
    }
}
