using Dapper;
using KeyService.IntegrationTests.BadDays;
using Npgsql;

namespace KeyService.IntegrationTests.Replicas;

/// <summary>
/// Several servers on one PostgreSQL database and one token: real processes, each with a port and a data directory of its own, as a role that owns
/// nothing in the database.
/// </summary>
internal sealed class Fleet : IAsyncDisposable
{
    private const int PoolSize = 3;
    private readonly PostgresFixture postgres;
    private readonly ServiceFixture installation = new();
    private readonly List<Replica> all = [];
    private readonly string database;
    private readonly string role;
    private volatile IReadOnlyList<Replica> replicas = [];

    private Fleet(PostgresFixture postgres, string database, string role)
    {
        this.postgres = postgres;
        this.database = database;
        this.role = role;
    }

    /// <summary>Those that clients know of now: also one that was ended, until another has taken its place.</summary>
    public IReadOnlyList<Replica> Replicas => replicas;

    /// <summary>Token, database and first administrator, and one server, which the clients are registered at.</summary>
    public static async Task<Fleet> StartAsync(PostgresFixture postgres)
    {
        Infrastructure.RequireSoftHsm();
        Infrastructure.RequireTool("openssl", "openssl");
        var role = $"fleet_{Guid.NewGuid():N}"[..20];
        var fleet = new Fleet(postgres, await postgres.CreateDatabaseAsync("fleet"), role);
        await using (var connection = await postgres.OpenAsync())
        {
            await connection.ExecuteAsync($"CREATE ROLE {role} LOGIN; CREATE ROLE {role}_owner LOGIN; ALTER DATABASE {fleet.database} OWNER TO {role}_owner");
        }

        try
        {
            fleet.installation.Configure = fleet.Use(postgres.SocketDirectory);
            fleet.installation.InitArguments = ["--owner", fleet.Owner];
            await fleet.installation.ProvisionAsync();
            fleet.Join(await fleet.StartReplicaAsync("first", fleet.installation.ConfigPath, fleet.installation.Endpoint, executable: null));
            await fleet.installation.RegisterClientsAsync();
            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    /// <summary>The role that owns the schema.</summary>
    public string Owner => role + "_owner";

    public Task CreateKeyAsync(string name) => installation.CreateKeyAsync(name);

    /// <summary>Starts one more server, on a host of its own so to speak: a data directory that nobody used before.</summary>
    /// <param name="name">How it is called here.</param>
    /// <param name="host">Where it finds the database; null for the socket itself.</param>
    /// <param name="executable">Another build of the server.</param>
    public async Task<Replica> StartAsync(string name, string? host = null, string? executable = null)
    {
        var port = ServiceFixture.FreePort();
        Directory.CreateDirectory(Path.Combine(installation.Directory, name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var config = installation.WriteConfig(
            all =>
            {
                Use(host ?? postgres.SocketDirectory)(all);
                all["dataDirectory"] = name;
                all["listen"] = new Dictionary<string, object?> { ["tcp"] = $"127.0.0.1:{port}", ["unixSocket"] = $"{name}.sock" };
            },
            $"{name}.json");
        return await StartReplicaAsync(name, config, new Uri($"https://localhost:{port}"), executable);
    }

    /// <summary>Starts a server again where one was ended: the same port and data directory.</summary>
    public Task<Replica> StartAgainAsync(Replica ended, string? executable = null) =>
        StartReplicaAsync(ended.Name, ended.ConfigPath, EndpointOf(ended.ConfigPath), executable);

    /// <summary>Clients learn of it.</summary>
    /// <param name="replica">The new one.</param>
    /// <param name="place">In whose place; null for one more.</param>
    public void Join(Replica replica, Replica? place = null) => replicas = [.. replicas.Where(each => each != place), replica];

    public Task<NpgsqlConnection> OpenDatabaseAsync() => postgres.OpenAsync(database);

    public Task<CommandResult> RunServerAsync(string executable, params string[] arguments) =>
        Command.RunAsync(executable, [.. arguments, "--config", installation.ConfigPath], installation.ServerEnvironment, workingDirectory: installation.Directory);

    /// <summary>
    /// Every log from its beginning to its end: each slot's numbers without a gap, each record what its leaf hash was made of.
    /// </summary>
    public async Task<ILookup<long, LoggedCall>> ReadLogsAsync()
    {
        await using var connection = await OpenDatabaseAsync();
        var rows = await connection.QueryAsync<(long Slot, long Sequence, byte[] Record, byte[] LeafHash)>(
            "SELECT slot, sequence, record, leaf_hash FROM keyservice.audit_records ORDER BY slot, sequence");
        var logs = rows.ToLookup(row => row.Slot);
        foreach (var log in logs)
        {
            Assert.Equal(Enumerable.Range(0, log.Count()).Select(number => (long)number), log.Select(row => row.Sequence));
            Assert.All(log, row => Assert.Equal(Crypto.AuditRecord.LeafHash(row.Record), row.LeafHash));
        }

        return logs.SelectMany(log => log.Select(row => (log.Key, Call: AuditLogOnDisk.Decode(row.Sequence, row.Record)))).ToLookup(row => row.Key, row => row.Call);
    }

    /// <summary>The log slot that a process wrote its start into, and the number of that record.</summary>
    public async Task<(long Slot, long Sequence)> StartOfAsync(int processId)
    {
        var started = from log in await ReadLogsAsync()
            from call in log
            where call.Event == (ushort)Server.Audit.AuditEvent.ServiceStarted && call.Detail.EndsWith($", process {processId}", StringComparison.Ordinal)
            select (log.Key, call.Sequence);
        return Assert.Single(started);
    }

    /// <summary>Waits until no session of a server that is gone holds the slot any more.</summary>
    public Task SlotIsFreeAsync(long slot) => Until.TrueAsync(
        async () =>
        {
            await using var connection = await OpenDatabaseAsync();
            return !await connection.ExecuteScalarAsync<bool>(
                $"SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = {Server.Storage.Postgres.AdvisoryLocks.Slots} AND objid = {slot} "
                + "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))");
        },
        $"slot {slot} to be free");

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in all)
        {
            await replica.DisposeAsync();
        }

        await installation.DisposeAsync();
    }

    private async Task<Replica> StartReplicaAsync(string name, string config, Uri endpoint, string? executable)
    {
        var process = await ServerProcess.StartAsync(config, installation.ServerEnvironment, executable: executable);
        var pki = Path.Combine(installation.Directory, "pki");
        var replica = new Replica(
            name, config, process,
            client => GrpcClients.Connect(endpoint, installation.CaPath, Path.Combine(pki, $"{client}.crt"), Path.Combine(pki, $"{client}.key")));
        lock (all)
        {
            all.Add(replica);
        }

        return replica;
    }

    private static Uri EndpointOf(string config) => new($"https://localhost:{Server.Hosting.ConfigurationFile.Load(config).Listen.Tcp!.Port}");

    private Action<Dictionary<string, object?>> Use(string host) => all => all["store"] = new Dictionary<string, object?>
    {
        ["postgres"] = new Dictionary<string, object?> { ["host"] = host, ["database"] = database, ["user"] = role, ["poolSize"] = PoolSize },
    };
}
