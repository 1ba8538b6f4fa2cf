using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Processes;

namespace KeyService.Cli.Service;

/// <summary>
/// Commands of the server's own executable. This process becomes it; what it is given goes through as it is, with the
/// configuration of the profile when none is named.
/// </summary>
internal static class ServerCommands
{
    public static Command Serve() => Passing(new Command("serve", "Run the service in the foreground (--config FILE)"), "serve");

    public static Command Init() => Passing(new Command("init",
        "Prepare token, store and first administrator (--config FILE --admin-name NAME --admin-certificate-uri URI, or --admin-unix-uid UID)"), "init");

    public static Command Restore() => Passing(new Command("restore",
        "Make an installation of backup bundles again (--config FILE --bundle FILE… --signing-key FILE --backup-key-fd N --admin-name NAME …)"), "restore");

    public static Command Config() => new("config", "Look at the server's configuration")
    {
        Passing(new Command("check", "Check a configuration file without starting anything (--config FILE)"), "config", "check"),
    };

    public static Command MigrateStore() => Passing(new Command("migrate",
        "Bring a PostgreSQL schema forward as its owner (--config FILE --owner ROLE [--owner-password-file FILE])"), "store", "migrate");

    public static Command ImportStore() => Passing(new Command("import",
        "Move an embedded store into PostgreSQL (--config FILE --sqlite FILE [--owner ROLE] [--owner-password-file FILE])"), "store", "import");

    public static Command Witness() => new("witness", "Witness the audit logs of other installations (C2SP tlog-witness)")
    {
        Passing(new Command("init", "Make the witness's key and say its public half (--config FILE)"), "witness", "init"),
        Passing(new Command("key", "Say the witness's public key (--config FILE)"), "witness", "key"),
        Passing(new Command("serve", "Cosign checkpoints in the foreground (--config FILE)"), "witness", "serve"),
    };

    private static Command Passing(Command command, params string[] verb)
    {
        command.TreatUnmatchedTokensAsErrors = false;
        // A witness has a configuration of its own, which no profile names.
        return command.Runs(run => Task.FromResult(ServerBinary.Become([.. verb, .. verb[0] == "witness" ? run.Unmatched : Arguments(run)])));
    }

    private static List<string> Arguments(Invocation run)
    {
        var arguments = new List<string>(run.Unmatched);
        if (run.Json)
        {
            arguments.Add("--json");
        }
        if (!arguments.Exists(argument => argument is "--config" || argument.StartsWith("--config=", StringComparison.Ordinal)))
        {
            arguments.AddRange(["--config", OfProfile(run)]);
        }
        return arguments;
    }

    private static string OfProfile(Invocation run) => ProfileLocation.Load(run.ProfilePath).ServerConfigPath
        ?? throw CliError.Usage("No server configuration was named, and the profile names none.", "Name it with --config FILE.");
}
