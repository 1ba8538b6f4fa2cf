namespace KeyService.IntegrationTests.Interop;

/// <summary>Runs tests/interop/python with Debian's own Python (another one on the PATH does not see python3-cryptography).</summary>
internal sealed class PythonImplementation : IDisposable
{
    private const string Interpreter = "/usr/bin/python3";
    private readonly string _directory = Directory.CreateTempSubdirectory("ks-interop-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>Ends the test when the interpreter or its library is absent.</summary>
    public static async Task RequireAsync()
    {
        bool available = File.Exists(Interpreter) && (await Command.RunAsync(Interpreter, ["-c", "import cryptography"])).ExitCode == 0;
        Infrastructure.Require(available, "Debian's python3 with python3-cryptography (apt-get install python3-cryptography)");
    }

    /// <summary>Path of a file of this test.</summary>
    public string PathOf(string name) => Path.Combine(_directory, name);

    /// <summary>Writes bytes as hexadecimal digits and says where; keys travel so, never as arguments.</summary>
    public string StoreHex(string name, ReadOnlySpan<byte> content)
    {
        File.WriteAllText(PathOf(name), Convert.ToHexStringLower(content));
        return PathOf(name);
    }

    /// <summary>Runs a command of the package.</summary>
    public static Task<CommandResult> RunAsync(byte[] input, params string[] arguments) => Command.RunAsync(
        Interpreter,
        ["-B", "-m", "keyservice_interop", .. arguments],
        input: input,
        workingDirectory: Path.Combine(Infrastructure.RepositoryRoot, "tests", "interop", "python"));
}
