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

    public static Command Config() => new("config", "Look at the server's configuration")
    {
        Passing(new Command("check", "Check a configuration file without starting anything (--config FILE)"), "config", "check"),
    };

    public static Command MigrateStore() => Passing(new Command("migrate",
        "Bring a PostgreSQL schema forward as its owner (--config FILE --owner ROLE [--owner-password-file FILE])"), "store", "migrate");

    public static Command ImportStore() => Passing(new Command("import",
        "Move an embedded store into PostgreSQL (--config FILE --sqlite FILE [--owner ROLE] [--owner-password-file FILE])"), "store", "import");

    private static Command Passing(Command command, params string[] verb)
    {
        command.TreatUnmatchedTokensAsErrors = false;
        return command.Runs(run => Task.FromResult(ServerBinary.Become([.. verb, .. Arguments(run)])));
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
