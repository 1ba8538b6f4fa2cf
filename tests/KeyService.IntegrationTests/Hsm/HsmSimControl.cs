namespace KeyService.IntegrationTests.Hsm;

/// <summary>
/// The control file of one HsmSim, wherever it runs: in this process or in a server's. What is written holds for the next call into the module.
/// Grammar: hsm-sim/README.md.
/// </summary>
internal sealed class HsmSimControl
{
    private static readonly Lazy<Task<string>> Built = new(BuildAsync);
    private readonly string directory;
    private readonly string[] always;
    private int version;

    /// <param name="directory">Where the control file stands, and what the simulator writes.</param>
    /// <param name="always">Lines of every version of the file, before all others.</param>
    internal HsmSimControl(string directory, params string[] always)
    {
        this.directory = directory;
        this.always = always;
        Clear();
    }

    internal string FilePath => Path.Combine(directory, "hsmsim.control");

    internal string LogPath => Path.Combine(directory, "hsmsim.log");

    internal string CounterPath => Path.Combine(directory, "hsmsim.counters");

    internal string Log => File.Exists(LogPath) ? File.ReadAllText(LogPath) : "";

    /// <summary>What a process needs to run the simulator over a module.</summary>
    internal IReadOnlyDictionary<string, string?> Environment(string realModule) => new Dictionary<string, string?>
    {
        ["HSMSIM_MODULE"] = realModule, ["HSMSIM_CONTROL"] = FilePath, ["HSMSIM_LOG"] = LogPath,
    };

    /// <summary>The compiled simulator; built when it is older than its sources.</summary>
    internal static Task<string> ModuleAsync() => Built.Value;

    /// <summary>Replaces the whole file, except that calls go on being counted.</summary>
    internal void Write(params string[] lines)
    {
        version++;
        var next = FilePath + ".new";
        // The version in a comment makes each rule a new one, which counts from zero.
        File.WriteAllLines(next, [$"counters {CounterPath}", .. always, .. lines.Select(line => $"{line} # {version}")]);
        // Two writes within a tick of the kernel's clock must not look like one.
        File.SetLastWriteTimeUtc(next, DateTime.UnixEpoch.AddDays(1).AddSeconds(version));
        File.Move(next, FilePath, overwrite: true);
    }

    internal void Fail(string function, string code, int times = int.MaxValue) => Write($"fail {function} {code} times {times}");

    /// <summary>Calls of a function wait until the file is written anew.</summary>
    internal void Hang(string function) => Write($"hang {function}");

    internal void Clear() => Write();

    /// <summary>Calls of a function since the module first saw this control file, those that failed or hang included; 0 while the module writes the file.</summary>
    internal int Calls(string function) => File.Exists(CounterPath)
        ? File.ReadLines(CounterPath).Where(line => line.AsSpan(8).Trim().SequenceEqual(function)).Select(line => int.Parse(line.AsSpan(0, 8), null)).FirstOrDefault()
        : 0;

    private static async Task<string> BuildAsync()
    {
        Infrastructure.RequireTool("gcc", "gcc");
        (await Command.RunAsync(Path.Combine(Infrastructure.RepositoryRoot, "hsm-sim/build.sh"), [])).ExpectExit(0);
        return Path.Combine(Infrastructure.RepositoryRoot, "artifacts/hsm-sim/HsmSim.so");
    }
}
