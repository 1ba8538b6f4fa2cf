namespace KeyService.IntegrationTests.Cli;

/// <summary>One script, step by step, in a directory of its own.</summary>
internal sealed class CliScriptRun(ServiceFixture service)
{
    public static string ScriptDirectory => Path.Combine(Infrastructure.RepositoryRoot, "tests/KeyService.IntegrationTests/Cli/scripts");

    public async Task RunAsync(string name)
    {
        var script = CliScript.Read(Path.Combine(ScriptDirectory, name + ".txt"));
        var directory = Directory.CreateDirectory(Path.Combine(service.Directory, "scripts", name)).FullName;
        var tools = Tools();
        Assert.Contains(script.Steps, step => step is CliScript.CommandStep);
        foreach (var step in script.Steps)
        {
            switch (step)
            {
                case CliScript.FileStep file:
                    await File.WriteAllTextAsync(Path.Combine(directory, file.Path), file.Content);
                    break;
                case CliScript.CommandStep command:
                    await RunAsync(script, command, directory, tools);
                    break;
            }
        }
        // Whatever the script did, nothing half made stays.
        Assert.Empty(Directory.GetFiles(directory, ".*.tmp", SearchOption.AllDirectories));
    }

    private async Task RunAsync(CliScript script, CliScript.CommandStep step, string directory, string tools)
    {
        var environment = new Dictionary<string, string?>(service.ServerEnvironment)
        {
            ["KEYSERVICE_PROFILE"] = Path.Combine(service.Directory, $"{step.Identity}.profile.json"),
            ["KEYSERVICE_SERVER"] = Executables.Server,
            ["PATH"] = tools + ":" + Environment.GetEnvironmentVariable("PATH"),
            ["SERVICE"] = service.Directory,
            ["REPOSITORY"] = Infrastructure.RepositoryRoot,
            ["HOME"] = directory,
            ["XDG_RUNTIME_DIR"] = null,
            ["XDG_CONFIG_HOME"] = null,
        };
        var result = await Command.RunAsync("/bin/bash", ["-c", step.Command], environment, input: null, directory);
        var wrong = new[]
        {
            result.ExitCode == step.ExitCode ? null : $"exit code {result.ExitCode}, expected {step.ExitCode}\n    {result.Error}",
            CliScript.Mismatch(step.Output, result.Text) is { } output ? "stdout: " + output : null,
            CliScript.Mismatch(step.Error, result.Error) is { } error ? "stderr: " + error : null,
        }.OfType<string>().ToList();
        Assert.True(wrong.Count == 0, $"{script.Name}.txt:{step.Line}: {step.Command}\n{string.Join('\n', wrong)}");
    }

    // A directory with the command under its own name, for PATH.
    private string Tools()
    {
        var directory = Directory.CreateDirectory(Path.Combine(service.Directory, "bin")).FullName;
        var link = Path.Combine(directory, "keyservice");
        if (!File.Exists(link))
        {
            File.CreateSymbolicLink(link, Executables.Cli);
        }
        return directory;
    }
}
