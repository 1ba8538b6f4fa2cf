using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Npgsql;

namespace KeyService.IntegrationTests;

/// <summary>
/// A PostgreSQL server of its own in a temporary directory: reached over a Unix socket only unless its settings say otherwise, run as a user that is
/// not root, ended and removed afterwards. Durability is off in it (fsync), because nothing in it outlives the test.
/// </summary>
public sealed partial class PostgresFixture : IAsyncLifetime
{
    private const int SigInt = 2;
    private const int SigQuit = 3;
    private const string Role = "keyservice";
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-pg-").FullName;
    private readonly StringBuilder log = new();
    private Process? server;
    private ProcessStartInfo? start;

    /// <summary>Settings beside its own, each as <c>-c</c> takes it.</summary>
    internal IReadOnlyList<string> Settings { get; init; } = [];

    internal int Port { get; init; } = 5432;

    /// <summary>What it wrote to its log so far.</summary>
    internal string Log
    {
        get
        {
            lock (log)
            {
                return log.ToString();
            }
        }
    }

    /// <summary>Directory of the socket, as <c>-h</c> and <c>Host=</c> take it.</summary>
    internal string SocketDirectory => directory;

    internal static string User => Role;

    public async ValueTask InitializeAsync()
    {
        var initdb = Infrastructure.RequireTool("initdb", "postgresql-15");
        var postgres = Infrastructure.RequireTool("postgres", "postgresql-15");
        var data = Path.Combine(directory, "data");
        if (AsRoot)
        {
            (await Command.RunAsync("chown", [ServerUser, directory])).ExpectExit(0);
        }
        var (file, arguments) = AsServerUser(initdb, "-D", data, "-U", Role, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync");
        (await Command.RunAsync(file, arguments, workingDirectory: "/")).ExpectExit(0);
        (file, arguments) = AsServerUser(
            postgres,
            [
                "-D", data, "-k", directory, "-p", $"{Port}", "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60",
                .. Settings.SelectMany(setting => new[] { "-c", setting }),
            ]);
        start = Command.StartInfo(file, arguments, environment: null, workingDirectory: "/");
        await StartAsync();
    }

    /// <summary>Ends the server as a failing host would: nothing is written any more. Waits until its processes are gone.</summary>
    internal async Task CrashAsync()
    {
        // SIGQUIT: the postmaster has every session end at once, without a checkpoint; recovery comes with the next start.
        _ = Kill(server!.Id, SigQuit);
        await server.WaitForExitAsync().WaitAsync(Command.Limit);
    }

    internal string ConnectionString(string database = "postgres") =>
        new NpgsqlConnectionStringBuilder { Host = directory, Port = Port, Username = Role, Database = database, Pooling = false }.ConnectionString;

    internal async Task<NpgsqlConnection> OpenAsync(string database = "postgres")
    {
        var connection = new NpgsqlConnection(ConnectionString(database));
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Makes an empty database and returns its name.</summary>
    internal async Task<string> CreateDatabaseAsync(string prefix)
    {
        var name = $"{prefix}_{Guid.NewGuid():N}";
        await using var connection = await OpenAsync();
        await using var command = new NpgsqlCommand($"CREATE DATABASE {name}", connection);
        await command.ExecuteNonQueryAsync();
        return name;
    }

    public async ValueTask DisposeAsync()
    {
        if (server is { HasExited: false })
        {
            _ = Kill(server.Id, SigInt); // fast shutdown
            using var limit = new CancellationTokenSource(Command.Limit);
            await server.WaitForExitAsync(limit.Token);
        }
        Directory.Delete(directory, recursive: true);
    }

    internal static bool AsRoot => Environment.UserName == "root";

    // PostgreSQL refuses to run as root; Debian's package makes this user, and any other would do.
    internal static string ServerUser => File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal))
        ? "postgres" : "nobody";

    internal static (string File, IReadOnlyList<string> Arguments) AsServerUser(string file, params string[] arguments) =>
        AsRoot ? ("setpriv", ["--reuid", ServerUser, "--clear-groups", "--", file, .. arguments]) : (file, arguments);

    /// <summary>Starts it, the first time or again on the same data, and returns when it answers.</summary>
    internal async Task StartAsync()
    {
        server = Process.Start(start!) ?? throw new InvalidOperationException("PostgreSQL did not start.");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => KillIfAlive();
        server.ErrorDataReceived += (_, line) =>
        {
            lock (log)
            {
                log.AppendLine(line.Data);
            }
        };
        server.BeginErrorReadLine();
        server.BeginOutputReadLine();
        var begun = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                await using var connection = await OpenAsync();
                return;
            }
            catch (Exception e) when (e is NpgsqlException or System.Net.Sockets.SocketException)
            {
                Assert.False(server.HasExited, $"PostgreSQL ended:\n{Log}");
                Assert.True(Stopwatch.GetElapsedTime(begun) < Command.Limit, $"PostgreSQL does not answer ({e.Message}):\n{Log}");
                await Task.Delay(25);
            }
        }
    }

    private void KillIfAlive()
    {
        if (server is { HasExited: false })
        {
            server.Kill();
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);
}
