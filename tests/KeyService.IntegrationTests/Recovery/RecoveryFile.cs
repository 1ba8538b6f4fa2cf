namespace KeyService.IntegrationTests.Recovery;

/// <summary>docs/recovery/keyservice_recover.py as somebody runs it who has nothing of ours: no site packages, no environment, no other file.</summary>
internal static class RecoveryFile
{
    private const string Interpreter = "/usr/bin/python3";

    public static string Directory { get; } = Path.Combine(Infrastructure.RepositoryRoot, "docs", "recovery");

    public static string Script { get; } = Path.Combine(Directory, "keyservice_recover.py");

    public static void Require() => Infrastructure.Require(File.Exists(Interpreter), "python3 (apt-get install python3-minimal)");

    /// <summary>Runs the copy that stands in a directory.</summary>
    public static Task<CommandResult> RunAsync(string directory, IEnumerable<string> arguments, byte[]? input = null) => Command.RunAsync(
        Interpreter, ["-I", "-S", "keyservice_recover.py", .. arguments], input: input, workingDirectory: directory);

    /// <summary>Runs what imports it and judges it (tests/interop/python/recover_judge.py).</summary>
    public static async Task<CommandResult> JudgeAsync(params string[] arguments) => await Command.RunAsync(
        Interpreter,
        ["-I", "-S", "-B", Path.Combine(Infrastructure.RepositoryRoot, "tests/interop/python/recover_judge.py"), Script,
            Path.Combine(Infrastructure.RepositoryRoot, "tests/vectors"), .. arguments]);
}
