using System.Diagnostics;
using System.Runtime.InteropServices;
using Dapper;
using Npgsql;

namespace KeyService.IntegrationTests.Storage;

/// <summary>
/// A primary and its synchronous standby, each a PostgreSQL of its own on a loopback port, in a temporary directory. Durability of the single
/// server is off (fsync): what is tested is what the other one has.
/// </summary>
internal sealed partial class PostgresCluster : IAsyncDisposable
{
    private const int SigQuit = 3;
    private const string Standby = "standby1";

    private readonly string _directory = Directory.CreateTempSubdirectory("keyservice-cluster-").FullName;
    private readonly int _primaryPort = ServiceFixture.FreePort();
    private readonly int _standbyPort = ServiceFixture.FreePort();
    private readonly List<Process> _servers = [];

    /// <summary>Both hosts, as <c>store.postgres.host</c> takes them.</summary>
    public string Hosts => $"127.0.0.1:{_primaryPort},127.0.0.1:{_standbyPort}";

    public static async Task<PostgresCluster> StartAsync()
    {
        var cluster = new PostgresCluster();
        await cluster.MakeAsync();
        return cluster;
    }

    /// <summary>Ends the primary at once, and then makes the standby the primary.</summary>
    public async Task SwitchOverAsync()
    {
        _ = Kill(_servers[0].Id, SigQuit);
        await _servers[0].WaitForExitAsync().WaitAsync(Command.Limit);
        await using var connection = await OpenAsync(_standbyPort);
        Assert.True(await connection.ExecuteScalarAsync<bool>("SELECT pg_promote(true, 60)"));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers.Where(server => !server.HasExited))
        {
            _ = Kill(server.Id, SigQuit);
            await server.WaitForExitAsync().WaitAsync(Command.Limit);
        }

        Directory.Delete(_directory, recursive: true);
    }

    private async Task MakeAsync()
    {
        if (PostgresFixture.AsRoot)
        {
            (await Command.RunAsync("chown", [PostgresFixture.ServerUser, _directory])).ExpectExit(0);
        }

        var primary = Path.Combine(_directory, "primary");
        var standby = Path.Combine(_directory, "standby");
        await RunAsync("initdb", "-D", primary, "-U", PostgresFixture.User, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync");
        await StartServerAsync(primary, _primaryPort);
        await RunAsync(
            "pg_basebackup", "-D", standby, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync",
            "-d", $"host=127.0.0.1 port={_primaryPort} user={PostgresFixture.User} application_name={Standby}");
        await StartServerAsync(standby, _standbyPort);
        await using var connection = await OpenAsync(_primaryPort);
        // After the copy was taken: promoted, the standby waits for nobody.
        await connection.ExecuteAsync($"ALTER SYSTEM SET synchronous_standby_names = '{Standby}'");
        await connection.ExecuteAsync("SELECT pg_reload_conf()");
        await Until.TrueAsync(
            () => connection.ExecuteScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')"), "a synchronous standby");
    }

    private static async Task RunAsync(string tool, params string[] arguments)
    {
        var (file, line) = PostgresFixture.AsServerUser(Infrastructure.RequireTool(tool, "postgresql-15"), arguments);
        (await Command.RunAsync(file, line, workingDirectory: "/")).ExpectExit(0);
    }

    private async Task StartServerAsync(string data, int port)
    {
        var (file, arguments) = PostgresFixture.AsServerUser(
            Infrastructure.RequireTool("postgres", "postgresql-15"),
            "-D", data, "-k", _directory, "-p", $"{port}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=30");
        var server = Process.Start(Command.StartInfo(file, arguments, environment: null, workingDirectory: "/"))!;
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            if (!server.HasExited)
            {
                server.Kill();
            }
        };
        server.BeginErrorReadLine();
        server.BeginOutputReadLine();
        _servers.Add(server);
        var begun = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                await using var connection = await OpenAsync(port);
                return;
            }
            catch (Exception e) when (e is NpgsqlException or System.Net.Sockets.SocketException)
            {
                Assert.False(server.HasExited, "PostgreSQL ended.");
                Assert.True(Stopwatch.GetElapsedTime(begun) < Command.Limit, $"PostgreSQL does not answer: {e.Message}");
                await Task.Delay(25);
            }
        }
    }

    private static async Task<NpgsqlConnection> OpenAsync(int port)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1", Port = port, Username = PostgresFixture.User, Database = "postgres", Pooling = false, SslMode = SslMode.Disable,
        }.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);
}
