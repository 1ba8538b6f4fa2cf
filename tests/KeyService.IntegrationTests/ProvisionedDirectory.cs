namespace KeyService.IntegrationTests;

/// <summary>
/// What every service of the tests begins with: a token and a PKI, and for most a store with its first administrator. Made once for a run and
/// copied, because making it takes more of the processor than most tests do. Each copy lives on by itself, its token in a directory of its own.
/// </summary>
internal static class ProvisionedDirectory
{
    private static readonly Lazy<Task<string>> Provisioned = new(ProvisionAsync);
    private static readonly Lazy<Task<string>> Initialized = new(InitializeAsync);

    /// <param name="initialized">With what <c>init</c> leaves; false for a server that is configured otherwise and initialised with that.</param>
    public static async Task CopyAsync(string to, bool initialized) => Copy(await (initialized ? Initialized : Provisioned).Value, to);

    private static async Task<string> ProvisionAsync()
    {
        var directory = NewDirectory();
        await Executables.MakeTokenAsync(directory);
        await Executables.MakePkiAsync(Path.Combine(directory, "pki"));
        return directory;
    }

    private static async Task<string> InitializeAsync()
    {
        var directory = NewDirectory();
        await CopyAsync(directory, initialized: false);
        var config = ServiceFixture.WriteConfig(Path.Combine(directory, "server.json"), port: 1);
        await ServiceFixture.InitializeStoreAsync(
            config, new Dictionary<string, string?> { ["SOFTHSM2_CONF"] = Path.Combine(directory, "softhsm2.conf") });
        File.Delete(config);
        return directory;
    }

    private static void Copy(string from, string to)
    {
        foreach (var directory in Directory.GetDirectories(from, "*", SearchOption.AllDirectories))
        {
            Directory.CreateDirectory(directory.Replace(from, to, StringComparison.Ordinal), File.GetUnixFileMode(directory));
        }

        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            // With its mode: keys and PINs are for their owner alone.
            File.Copy(file, file.Replace(from, to, StringComparison.Ordinal));
        }

        var softHsm = Path.Combine(to, "softhsm2.conf");
        File.WriteAllText(softHsm, File.ReadAllText(softHsm).Replace(from, to, StringComparison.Ordinal));
    }

    private static string NewDirectory()
    {
        var directory = Directory.CreateTempSubdirectory("keyservice-provisioned-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(directory, recursive: true);
        return directory;
    }
}
