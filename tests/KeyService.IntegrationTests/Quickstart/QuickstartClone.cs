namespace KeyService.IntegrationTests.Quickstart;

/// <summary>
/// A clean copy of this working tree (what git knows or would add, nothing built), in which quickstart.sh ran and serves. It stands
/// outside the repository, so that nothing of it (artifacts, .dev, ../shared) can help.
/// </summary>
public sealed class QuickstartClone : IAsyncLifetime
{
    private const string CopyTree = """
        git ls-files -co --exclude-standard -z | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
          tar -c --null -T - | tar -x -C "$1"
        """;

    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-clone-").FullName;
    private QuickstartRun? run;

    internal string Root => Path.Combine(directory, "clone");

    internal string Output => run!.Output;

    public async ValueTask InitializeAsync()
    {
        Infrastructure.RequireSoftHsm();
        var git = Infrastructure.RequireTool("git", "git");
        Infrastructure.Require(
            (await Command.RunAsync(git, ["rev-parse", "--git-dir"])).ExitCode == 0,
            "a git working tree (these tests copy what git knows)");
        Directory.CreateDirectory(Root);
        (await Command.RunAsync("bash", ["-euo", "pipefail", "-c", CopyTree, "copy", Root])).ExpectExit(0);
        run = await QuickstartRun.StartAsync(Root);
    }

    /// <summary>Runs a script in the copy, as a user in a second terminal would.</summary>
    internal Task<CommandResult> RunAsync(string script, string? root = null) =>
        Command.RunAsync("bash", ["-euo", "pipefail", "-c", script], workingDirectory: root ?? Root);

    /// <summary>Another copy, with what the first one built and nothing else it made; returns its path.</summary>
    internal async Task<string> BuiltCopyAsync()
    {
        var copy = Path.Combine(directory, "second");
        (await RunAsync($"""
            mkdir {copy}
            tar -c --exclude=./artifacts --exclude=./.dev . | tar -x -C {copy}
            mkdir {copy}/.dev
            cp -a .dev/bin {copy}/.dev/
            """)).ExpectExit(0);
        return copy;
    }

    public async ValueTask DisposeAsync()
    {
        if (run is not null)
        {
            await run.DisposeAsync();
        }
        Directory.Delete(directory, recursive: true);
    }
}
