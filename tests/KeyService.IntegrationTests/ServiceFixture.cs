using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests;

/// <summary>A client of the fixture's service: certificate, key, and the profile file the command reads.</summary>
internal sealed record ClientIdentity(string Name, string CertificatePath, string KeyPath, string ProfilePath);

/// <summary>
/// A service of its own for a test class: SoftHSM token, development PKI, embedded store and the real server process, all in one temporary
/// directory, ended and removed afterwards. Use it as <c>IClassFixture&lt;ServiceFixture&gt;</c>, or make one by hand when the test stops,
/// breaks or restarts the service. Principals: administrator (keys, access, audit), database and backup (use keys).
/// </summary>
public sealed class ServiceFixture : IAsyncLifetime
{
    private static readonly string[] UsePermissions =
    [
        "generate-data-key", "unwrap-data-key", "rewrap-data-key", "encrypt", "decrypt", "reencrypt", "read-key", "read-system",
    ];

    private ServerProcess? server;

    internal string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("keyservice-test-").FullName;

    internal string ConfigPath => Path.Combine(Directory, "server.json");

    internal string CaPath => Path.Combine(Directory, "pki", "ca.crt");

    internal string SocketPath => Path.Combine(Directory, "keyservice.sock");

    internal string StorePath => Path.Combine(Directory, "keyservice.db");

    internal int Port { get; } = FreePort();

    internal Uri Endpoint => new($"https://localhost:{Port}");

    internal ClientIdentity Administrator { get; private set; } = null!;

    internal ClientIdentity Database { get; private set; } = null!;

    internal ClientIdentity Backup { get; private set; } = null!;

    /// <summary>What the server wrote to stdout and stderr since its last start.</summary>
    internal string ServerLog => server?.Log ?? "";

    /// <summary>Waits for something the server logs beside its answer.</summary>
    internal async Task WaitForLogAsync(string text)
    {
        var begun = System.Diagnostics.Stopwatch.GetTimestamp();
        while (!ServerLog.Contains(text, StringComparison.Ordinal))
        {
            Assert.True(
                System.Diagnostics.Stopwatch.GetElapsedTime(begun) < Command.Limit,
                $"The server did not log \"{text}\":\n{ServerLog}");
            await Task.Delay(20);
        }
    }

    /// <summary>Copies the store of a stopped service, with the write-ahead log beside it when there is one.</summary>
    internal void CopyStore(string to)
    {
        foreach (var suffix in new[] { "", "-wal" }.Where(suffix => File.Exists(StorePath + suffix)))
        {
            File.Copy(StorePath + suffix, to + suffix);
        }

        ForgetStore();
    }

    /// <summary>The next start has seen no store here: a copy or an earlier one is none that was put back behind its back.</summary>
    internal void ForgetStore() => File.Delete(Path.Combine(Directory, "store-seen"));

    /// <summary>What the server finds in its environment beside <c>SOFTHSM2_CONF</c>; for tests that preload something under it.</summary>
    internal Dictionary<string, string?> Environment { get; } = [];

    internal IReadOnlyDictionary<string, string?> ServerEnvironment =>
        new Dictionary<string, string?>(Environment) { ["SOFTHSM2_CONF"] = Path.Combine(Directory, "softhsm2.conf") };

    /// <summary>What is different in the server's configuration, from <c>init</c> on.</summary>
    internal Action<Dictionary<string, object?>>? Configure { get; set; }

    /// <summary>What is done with the new token before <c>init</c>.</summary>
    internal Func<Task>? BeforeInit { get; set; }

    /// <summary>What <c>init</c> is told beside the first administrator.</summary>
    internal IReadOnlyList<string> InitArguments { get; set; } = [];

    /// <summary>A program and its arguments that the server is started through, for example prlimit; it must exec the server.</summary>
    internal IReadOnlyList<string> Through { get; set; } = [];

    /// <summary>Process id of the running server.</summary>
    internal int ServerId => server?.Id ?? throw new InvalidOperationException("The server does not run.");

    public async ValueTask InitializeAsync()
    {
        Infrastructure.RequireSoftHsm();
        Infrastructure.RequireTool("openssl", "openssl");
        await ProvisionAsync();
        await StartAsync();
        await RegisterClientsAsync();
    }

    /// <summary>Token, PKI, configuration and first administrator, without a running server.</summary>
    internal async Task ProvisionAsync()
    {
        var usual = Configure is null && BeforeInit is null && InitArguments.Count == 0;
        await ProvisionedDirectory.CopyAsync(Directory, initialized: usual);
        Administrator = WriteProfile("administrator");
        Database = WriteProfile("database");
        Backup = WriteProfile("backup");
        WriteConfig(Configure);
        if (BeforeInit is not null)
        {
            await BeforeInit();
        }
        if (!usual)
        {
            await InitializeStoreAsync(ConfigPath, ServerEnvironment, InitArguments);
        }
    }

    /// <summary>Runs <c>init</c>.</summary>
    internal static async Task InitializeStoreAsync(
        string configPath, IReadOnlyDictionary<string, string?> environment, params IEnumerable<string> arguments) =>
        (await Executables.RunServerAsync(
            [
                "init", "--config", configPath,
                "--admin-name", "administrator",
                "--admin-certificate-uri", "keyservice:principal/administrator",
                .. arguments,
            ],
            environment)).ExpectExit(0);

    internal async Task StartAsync() => server = await ServerProcess.StartAsync(ConfigPath, ServerEnvironment, Through);

    /// <summary>Asks the server to end (SIGTERM) and waits for it.</summary>
    internal async Task<int> StopAsync()
    {
        var code = server is null ? 0 : await server.StopAsync();
        server = null;
        return code;
    }

    /// <summary>Ends the server without a chance to tidy up (SIGKILL).</summary>
    internal async Task CrashAsync()
    {
        if (server is not null)
        {
            await server.KillAsync();
        }
        server = null;
    }

    internal async Task RestartAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    /// <summary>Makes a certificate <c>keyservice:principal/NAME</c> and its profile; registers nothing.</summary>
    internal async Task<ClientIdentity> IssueClientAsync(string name, int days = 365)
    {
        await Executables.MakePkiAsync(Path.Combine(Directory, "pki"), "client", name, $"{days}");
        return WriteProfile(name);
    }

    /// <summary>Runs the real command as one of the clients.</summary>
    internal Task<CommandResult> RunCliAsync(ClientIdentity client, params string[] arguments) => RunCliAsync(client, null, arguments);

    internal Task<CommandResult> RunCliAsync(ClientIdentity client, byte[]? input, params string[] arguments) =>
        Executables.RunCliAsync(
            arguments, new Dictionary<string, string?> { ["KEYSERVICE_PROFILE"] = client.ProfilePath }, input, Directory);

    // Setting up goes over gRPC, not through the command: starting a process costs more than all the rest of it.

    /// <summary>Waits until the service has made the versions that wait, so that it asks nothing of the HSM by itself for a while.</summary>
    internal async Task SettleAsync()
    {
        using var channel = this.ConnectAs("administrator");
        var rotation = new Protocol.V1.Rotation.RotationClient(channel);
        var begun = System.Diagnostics.Stopwatch.GetTimestamp();
        while ((await rotation.GetRotationStatusAsync(new GetRotationStatusRequest())).ToPrepare > 0)
        {
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(begun) < Command.Limit, $"The versions that wait are not made:\n{ServerLog}");
            await Task.Delay(20);
        }
    }

    /// <summary>Creates a key.</summary>
    internal async Task CreateKeyAsync(string name)
    {
        using var channel = this.ConnectAs("administrator");
        await new Keys.KeysClient(channel).CreateKeyAsync(
            new CreateKeyRequest { RequestId = NewRequestId(), Name = name, Purpose = KeyPurpose.EncryptDecrypt });
    }

    /// <summary>Registers a principal for this process's own uid on the Unix socket, which may use every key.</summary>
    internal async Task RegisterUnixUserAsync(string name)
    {
        var uid = (await Command.RunAsync("id", ["-u"])).ExpectExit(0).Text.Trim();
        await RegisterAsync(name, new Credential { UnixUid = uint.Parse(uid, System.Globalization.CultureInfo.InvariantCulture) });
        await GrantUseAsync(name);
    }

    /// <summary>Everything that uses keys, on every key.</summary>
    internal async Task GrantUseAsync(string principal, string keyPattern = "*")
    {
        using var channel = this.ConnectAs("administrator");
        var request = new CreateGrantRequest { RequestId = NewRequestId(), Principal = principal, KeyPattern = keyPattern };
        request.Permissions.AddRange(UsePermissions);
        await new Access.AccessClient(channel).CreateGrantAsync(request);
    }

    /// <summary>A server configuration beside this fixture's, changed by <paramref name="change"/>; returns its path.</summary>
    internal string WriteConfig(Action<Dictionary<string, object?>>? change = null, string fileName = "server.json") =>
        WriteConfig(Path.Combine(Directory, fileName), Port, change);

    internal static string WriteConfig(string path, int port, Action<Dictionary<string, object?>>? change = null)
    {
        var config = new Dictionary<string, object?>
        {
            ["profile"] = "development",
            ["dataDirectory"] = ".",
            ["listen"] = new Dictionary<string, object?> { ["tcp"] = $"127.0.0.1:{port}", ["unixSocket"] = "keyservice.sock" },
            ["tls"] = new Dictionary<string, object?>
            {
                ["certificate"] = "pki/server.crt", ["privateKey"] = "pki/server.key", ["clientCa"] = "pki/ca.crt",
            },
            ["hsm"] = new Dictionary<string, object?>
            {
                ["module"] = Infrastructure.SoftHsmModule, ["tokenLabel"] = "keyservice-test", ["pinFile"] = "pin",
            },
            ["store"] = new Dictionary<string, object?> { ["sqlite"] = "keyservice.db" },
        };
        change?.Invoke(config);
        File.WriteAllText(path, JsonSerializer.Serialize(config));
        return path;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>The principals database and backup, who may use every key.</summary>
    internal async Task RegisterClientsAsync()
    {
        foreach (var client in new[] { Database, Backup })
        {
            await RegisterAsync(client.Name, new Credential { CertificateSanUri = $"keyservice:principal/{client.Name}" });
            await GrantUseAsync(client.Name);
        }
    }

    private async Task RegisterAsync(string name, Credential credential)
    {
        using var channel = this.ConnectAs("administrator");
        await new Access.AccessClient(channel).CreatePrincipalAsync(
            new CreatePrincipalRequest { RequestId = NewRequestId(), Name = name, Type = PrincipalType.Service, Credential = credential });
    }

    private static string NewRequestId() => Guid.NewGuid().ToString();

    private ClientIdentity WriteProfile(string name)
    {
        var pki = Path.Combine(Directory, "pki");
        var client = new ClientIdentity(
            name, Path.Combine(pki, $"{name}.crt"), Path.Combine(pki, $"{name}.key"), Path.Combine(Directory, $"{name}.profile.json"));
        File.WriteAllText(client.ProfilePath, JsonSerializer.Serialize(new Dictionary<string, string>
        {
            ["endpoint"] = Endpoint.GetLeftPart(UriPartial.Authority),
            ["ca"] = CaPath,
            ["certificate"] = client.CertificatePath,
            ["privateKey"] = client.KeyPath,
            ["serverConfig"] = ConfigPath,
        }));
        return client;
    }
}
