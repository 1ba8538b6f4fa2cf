using KeyService.Client;

namespace KeyService.Cli.CommandLine;

/// <summary>Where the client profile is looked for, in this order.</summary>
internal static class ProfileLocation
{
    public const string Variable = "KEYSERVICE_PROFILE";

    public static ClientProfile Load(string? named) => ClientProfile.Load(Find(named));

    /// <summary>The profile's path; one that was named need not exist, one that was found does.</summary>
    public static string Find(string? named)
    {
        if (named is not null)
        {
            return named;
        }
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } variable)
        {
            return variable;
        }
        return Candidates().FirstOrDefault(File.Exists) ?? throw new CliError(
            ExitCode.Usage, ClientReason.Configuration, "No client profile was found.",
            $"Name one with --profile or {Variable}, or put it at {Candidates().First()}; quickstart.sh makes one.");
    }

    private static IEnumerable<string> Candidates()
    {
        var home = Environment.GetEnvironmentVariable("XDG_CONFIG_HOME") is { Length: > 0 } xdg
            ? xdg
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".config");
        yield return Path.Combine(home, "keyservice", "profile.json");
        yield return Path.GetFullPath(Path.Combine(".dev", "profile.json"));
        // A command that was built in a working copy finds the quickstart of that copy from anywhere.
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            yield return Path.Combine(directory.FullName, ".dev", "profile.json");
        }
    }
}
