using System.Diagnostics;
using System.Runtime.InteropServices;
using KeyService.Crypto;
using KeyService.Hsm;

namespace KeyService.Benchmarks.Hsm;

/// <summary>A SoftHSM token in a temporary directory, with a hierarchy and one KEK; bare, or behind HsmSim with a control file of one's own.</summary>
internal sealed partial class BenchmarkToken : IAsyncDisposable
{
    internal const string Module = "/usr/lib/softhsm/libsofthsm2.so";
    internal const string Label = "benchmark";
    private readonly string directory;

    private readonly string module;

    private BenchmarkToken(string directory, string module, HsmToken token)
    {
        this.directory = directory;
        this.module = module;
        Token = token;
    }

    internal HsmToken Token { get; }

    internal KeyVersionId KeyVersion { get; } = KeyVersionId.NewRandom();

    internal HsmConfiguration Configuration => new() { ModulePath = module, TokenLabel = Label, PinFile = PinFile };

    internal string PinFile => Path.Combine(directory, "pin");

    /// <param name="simulated">Lines of a control file (hsm-sim/README.md); null for SoftHSM itself.</param>
    internal static async Task<BenchmarkToken> CreateAsync(string? simulated = null)
    {
        var directory = Directory.CreateTempSubdirectory("keyservice-benchmark-").FullName;
        Directory.CreateDirectory(Path.Combine(directory, "tokens"));
        var configuration = Path.Combine(directory, "softhsm2.conf");
        await File.WriteAllTextAsync(configuration,
            $"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n");
        _ = SetEnvironment("SOFTHSM2_CONF", configuration, 1);
        var pin = Path.Combine(directory, "pin");
        var module = simulated is null ? Module : await SimulateAsync(directory, simulated);
        TokenProvisioning.InitializeToken(module, Label, pin, Path.Combine(directory, "so-pin"));
        var token = HsmToken.Open(new HsmConfiguration { ModulePath = module, TokenLabel = Label, PinFile = pin });
        await token.InitializeHierarchyAsync(Path.Combine(directory, "backup.key"));
        var result = new BenchmarkToken(directory, module, token);
        await token.CreateKekAsync(result.KeyVersion);
        return result;
    }

    /// <summary>The C peer as a child process on the same token, waiting for its rounds.</summary>
    internal async Task<Process> StartPeerAsync(int associatedDataLength, bool besideAThread)
    {
        var source = Path.Combine(RepositoryRoot(), "perf", "c", "hsm_loop.c");
        var binary = Path.Combine(directory, $"hsm_loop-{besideAThread}");
        using (var compiler = Process.Start(new ProcessStartInfo("gcc", ["-O2", "-o", binary, source, "-ldl", "-lpthread"])) ?? throw new InvalidOperationException("no gcc"))
        {
            await compiler.WaitForExitAsync();
            if (compiler.ExitCode != 0)
            {
                throw new InvalidOperationException("hsm_loop.c does not compile.");
            }
        }
        string[] arguments = [Module, Label, PinFile, associatedDataLength.ToString(System.Globalization.CultureInfo.InvariantCulture)];
        var start = new ProcessStartInfo(binary, besideAThread ? [.. arguments, "beside-a-thread"] : arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        };
        start.Environment["SOFTHSM2_CONF"] = Path.Combine(directory, "softhsm2.conf");
        var peer = Process.Start(start) ?? throw new InvalidOperationException("The C peer does not start.");
        return await peer.StandardOutput.ReadLineAsync() == "ready" ? peer : throw new InvalidOperationException("The C peer is not ready.");
    }

    public async ValueTask DisposeAsync()
    {
        await Token.DisposeAsync();
        Directory.Delete(directory, recursive: true);
    }

    private static async Task<string> SimulateAsync(string directory, string control)
    {
        using (var build = Process.Start(Path.Combine(RepositoryRoot(), "hsm-sim", "build.sh")))
        {
            await build.WaitForExitAsync();
        }
        var file = Path.Combine(directory, "hsmsim.control");
        await File.WriteAllTextAsync(file, control);
        _ = SetEnvironment("HSMSIM_MODULE", Module, 1);
        _ = SetEnvironment("HSMSIM_CONTROL", file, 1);
        return Path.Combine(RepositoryRoot(), "artifacts", "hsm-sim", "HsmSim.so");
    }

    private static string RepositoryRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "KeyService.sln")))
        {
            directory = directory.Parent ?? throw new InvalidOperationException("Run from inside the repository.");
        }
        return directory.FullName;
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
