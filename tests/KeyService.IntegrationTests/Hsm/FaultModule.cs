using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>SoftHSM behind a small C module that injects faults. Compiled once for the test run.</summary>
internal sealed class FaultModule
{
    private static readonly Lazy<Task<string>> Compiled = new(CompileAsync);
    private readonly string faults;

    private FaultModule(SoftHsmDirectory directory, string module)
    {
        faults = Path.Combine(directory.Path, "faults");
        Configuration = directory.Configuration with { ModulePath = module };
        SoftHsmDirectory.SetNativeEnvironment("KEYSERVICE_TEST_MODULE", Infrastructure.SoftHsmModule);
        SoftHsmDirectory.SetNativeEnvironment("KEYSERVICE_TEST_FAULTS", faults);
        Clear();
    }

    internal HsmConfiguration Configuration { get; }

    internal static async Task<FaultModule> CreateAsync(SoftHsmDirectory directory) => new(directory, await Compiled.Value);

    /// <summary>The next calls of a function return a code.</summary>
    internal void Fail(string function, uint code, int times = int.MaxValue) => Write($"{function} 0x{code:x} {times}               ");

    /// <summary>Calls of a function wait until the fault is cleared.</summary>
    internal void Hang(string function) => Write($"{function} hang");

    internal void Flip(string function) => Write($"{function} flip");

    internal void Clear() => Write("none");

    internal int Calls(string function) =>
        File.Exists(faults + ".calls") ? File.ReadLines(faults + ".calls").Count(line => line == function) : 0;

    /// <summary>Renamed into place: the module reads the file at any moment.</summary>
    private void Write(string content)
    {
        File.WriteAllText(faults + ".new", content);
        File.Move(faults + ".new", faults, overwrite: true);
    }

    private static async Task<string> CompileAsync()
    {
        var gcc = Infrastructure.RequireTool("gcc", "gcc");
        var source = Path.Combine(Infrastructure.RepositoryRoot, "tests/KeyService.IntegrationTests/Hsm/fault_module.c");
        var output = Path.Combine(AppContext.BaseDirectory, "fault_module.so");
        (await Command.RunAsync(gcc, ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", output, source, "-ldl", "-lpthread"])).ExpectExit(0);
        return output;
    }
}
