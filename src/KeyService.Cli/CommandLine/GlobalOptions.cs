using System.CommandLine;

namespace KeyService.Cli.CommandLine;

/// <summary>Options that every command takes, and those that several share.</summary>
internal static class GlobalOptions
{
    public static Option<string?> Profile { get; } = new("--profile")
    {
        Description = "Client profile; else $KEYSERVICE_PROFILE, ~/.config/keyservice/profile.json, or .dev/profile.json of a quickstart",
        HelpName = "FILE",
        Recursive = true,
    };

    public static Option<bool> Json { get; } = new("--json")
    {
        Description = "Machine-readable: one JSON object a line on stdout; errors as one on stderr",
        Recursive = true,
    };

    public static Option<bool> Quiet { get; } = new("--quiet", "-q")
    {
        Description = "No progress and no final line on stderr; errors still",
        Recursive = true,
    };

    public static Option<string[]> Context() => new("--context", "-c")
    {
        Description = "Encryption context, once for each pair; visible in archives and logs, so no patient data",
        HelpName = "KEY=VALUE",
        DefaultValueFactory = _ => [],
    };

    public static Option<string> Key() => new("--key", "-k") { Description = "Name of the key", HelpName = "NAME", Required = true };

    public static Option<string?> Output(string description) => new("--output", "-o") { Description = description, HelpName = "FILE" };

    public static Option<bool> Force() => new("--force", "-f") { Description = "Replace an existing file; write binary to a terminal" };

    public static Option<string?> RequestId() => new("--request-id")
    {
        Description = "UUID; the same one again within 24 hours does nothing twice",
        HelpName = "UUID",
    };
}
