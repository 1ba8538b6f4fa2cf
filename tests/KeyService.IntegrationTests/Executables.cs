namespace KeyService.IntegrationTests;

/// <summary>The server and the command as they were built, run as processes of their own.</summary>
internal static class Executables
{
    public static string Server { get; } = Built("KeyService.Server", "KeyService.Server");

    public static string Cli { get; } = Built("KeyService.Cli", "keyservice");

    public static string BackupJob { get; } = Built("BackupJob", "BackupJob");

    public static string EhrTable { get; } = Built("EhrTable", "EhrTable");

    public static Task<CommandResult> RunServerAsync(
        IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? workingDirectory = null) =>
        Command.RunAsync(Server, arguments, environment, input: null, workingDirectory);

    public static Task<CommandResult> RunCliAsync(
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?>? environment = null,
        byte[]? input = null,
        string? workingDirectory = null)
    {
        var all = new Dictionary<string, string?>(environment ?? new Dictionary<string, string?>()) { ["KEYSERVICE_SERVER"] = Server };
        return Command.RunAsync(Cli, arguments, all, input, workingDirectory);
    }

    /// <summary>A SoftHSM token of label "keyservice-test" with its PIN and configuration in a directory.</summary>
    public static async Task MakeTokenAsync(string directory) =>
        (await Command.RunAsync(Path.Combine(Infrastructure.RepositoryRoot, "hsm-sim/softhsm-token.sh"), [directory, "keyservice-test"]))
            .ExpectExit(0);

    /// <summary>The development PKI in a directory, or with <c>client NAME DAYS</c> one more client of it.</summary>
    public static async Task MakePkiAsync(string directory, params string[] client) =>
        (await Command.RunAsync(Path.Combine(Infrastructure.RepositoryRoot, "dev/pki.sh"), [directory, .. client])).ExpectExit(0);

    // The tests stand in artifacts/bin/KeyService.IntegrationTests/<configuration>; the others beside them.
    private static string Built(string project, string executable)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory);
        var path = Path.Combine(configuration.Parent!.Parent!.FullName, project, configuration.Name, executable);
        return File.Exists(path) ? path : throw new FileNotFoundException($"Build the solution first: {path} is missing.");
    }
}
