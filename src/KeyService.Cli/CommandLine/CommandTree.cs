using System.CommandLine;
using KeyService.Cli.Access;
using KeyService.Cli.Adopt;
using KeyService.Cli.Alarms;
using KeyService.Cli.Approvals;
using KeyService.Cli.Archives;
using KeyService.Cli.Audit;
using KeyService.Cli.Certificates;
using KeyService.Cli.Backups;
using KeyService.Cli.BreakGlass;
using KeyService.Cli.Campaigns;
using KeyService.Cli.Ceremonies;
using KeyService.Cli.Completion;
using KeyService.Cli.DataKeys;
using KeyService.Cli.Destruction;
using KeyService.Cli.Doctor;
using KeyService.Cli.Evidence;
using KeyService.Cli.Fields;
using KeyService.Cli.Keys;
using KeyService.Cli.Places;
using KeyService.Cli.Reviews;
using KeyService.Cli.Rotation;
using KeyService.Cli.Service;
using KeyService.Cli.Sessions;
using KeyService.Cli.Store;
using KeyService.Cli.Tokens;

namespace KeyService.Cli.CommandLine;

/// <summary>The whole command.</summary>
internal static class CommandTree
{
    /// <param name="producer">What stood after <c>--</c>, or null.</param>
    /// <param name="first">The first word of the command line: when it names a command, only that one is built, which is most of the tree saved.</param>
    public static RootCommand Build(string[]? producer = null, string? first = null)
    {
        var root = new RootCommand("Keys, data keys and encrypted archives from a KeyService.");
        var all = Factories(producer);
        var named = Array.FindIndex(all, factory => factory.Name == first);
        foreach (var (_, create) in named < 0 ? all : all[named..(named + 1)])
        {
            root.Add(create());
        }
        root.WithNotes("""
            Exit codes:
              0 ok, 1 failed, 2 usage, 3 refused, 4 does not decrypt or verify, 5 service unavailable,
              6 not found or exists already, 7 producer command failed, 8 doctor found problems,
              9 restore test failed, 10 alarms are open, 130 interrupted
            """);
        HelpNotes.Install(root);
        RefuseUnknownOptions(root);
        root.Add(GlobalOptions.Profile);
        root.Add(GlobalOptions.Json);
        root.Add(GlobalOptions.Quiet);
        return root;
    }

    private static (string Name, Func<Command> Create)[] Factories(string[]? producer) =>
    [
        (EncryptCommand.Name, () => EncryptCommand.Create(producer)),
        ("decrypt", DecryptCommand.Create),
        ("verify", VerifyCommand.Create),
        ("rewrap", RewrapCommand.Create),
        ("inspect", InspectCommand.Create),
        ("field", FieldCommands.Create),
        ("adopt", AdoptCommands.Create),
        ("data-key", DataKeyCommands.Create),
        ("key", KeyCommands.Create),
        ("rotation", RotationCommands.Create),
        ("holding", HoldingCommands.Create),
        ("campaign", CampaignCommands.Create),
        ("destruction", DestructionCommands.Create),
        ("approval", ApprovalCommands.Create),
        ("officer", OfficerCommands.Create),
        ("principal", PrincipalCommands.Create),
        ("grant", GrantCommands.Create),
        ("access", AccessCommands.Create),
        ("whoami", WhoAmICommand.Create),
        ("login", LoginCommands.Login),
        ("logout", LoginCommands.Logout),
        ("session", SessionCommands.Create),
        ("person", PersonCommands.Create),
        ("place", PlaceCommands.Create),
        ("break-glass", BreakGlassCommands.Create),
        ("backup", BackupCommands.Create),
        ("ceremony", CeremonyCommands.Create),
        ("token", TokenCommands.Create),
        ("audit", AuditCommands.Create),
        ("evidence", EvidenceCommands.Create),
        ("alarms", AlarmCommands.Create),
        ("review", ReviewCommands.Create),
        ("certificate", CertificateCommands.Create),
        ("status", StatusCommand.Create),
        ("store", StoreCommands.Create),
        ("doctor", DoctorCommand.Create),
        ("serve", ServerCommands.Serve),
        ("init", ServerCommands.Init),
        ("restore", ServerCommands.Restore),
        ("config", ServerCommands.Config),
        ("witness", ServerCommands.Witness),
        ("completion", CompletionCommand.Create),
    ];

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
