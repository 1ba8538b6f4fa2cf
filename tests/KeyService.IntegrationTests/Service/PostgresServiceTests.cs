using System.Diagnostics;
using Dapper;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>
/// The whole service on PostgreSQL, as a role that owns nothing: two servers on one database, one killed under load, and a SQLite store
/// that moves in.
/// </summary>
public sealed class PostgresServiceTests(PostgresFixture server) : IClassFixture<PostgresFixture>
{
    private static DataKeyBinding General => new() { Use = DataKeyUse.General };

    [Fact]
    public async Task Keys_and_data_keys_outlive_a_restart_and_the_log_goes_on()
    {
        await using var service = await StartAsync();
        await service.CreateKeyAsync("ehr/records");
        var (wrapped, plaintext) = await GenerateAsync(service);
        using (var channel = service.ConnectAs("administrator"))
        {
            await new Keys.KeysClient(channel).RotateKeyAsync(new RotateKeyRequest { RequestId = $"{Guid.NewGuid()}", Name = "ehr/records" });
        }

        await service.RestartAsync();
        Assert.Equal(plaintext, await UnwrapAsync(service, wrapped));
        Assert.Contains("store postgres://", service.ServerLog, StringComparison.Ordinal);
        Assert.DoesNotContain("may delete audit records", service.ServerLog, StringComparison.Ordinal);
        var doctor = await Executables.RunServerAsync(["doctor", "--config", service.ConfigPath], service.ServerEnvironment, service.Directory);
        Assert.Contains("can be read and its rows verify", doctor.Text, StringComparison.Ordinal);
        Assert.Contains("records without a gap", doctor.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("PROBLEM", doctor.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_killed_under_load_loses_nothing_it_answered_and_its_log_is_continued()
    {
        await using var service = await StartAsync();
        await service.CreateKeyAsync("ehr/records");
        var answered = new List<(ByteString Wrapped, ByteString Plaintext)>();
        using var end = new CancellationTokenSource();
        var failures = 0;
        var longest = TimeSpan.Zero;
        var load = Task.Run(async () =>
        {
            var last = Stopwatch.GetTimestamp();
            while (!end.IsCancellationRequested)
            {
                try
                {
                    answered.Add(await GenerateAsync(service));
                    var gap = Stopwatch.GetElapsedTime(last);
                    longest = gap > longest ? gap : longest;
                    last = Stopwatch.GetTimestamp();
                }
                catch (RpcException)
                {
                    failures++;
                    await Task.Delay(20);
                }
            }
        });
        for (var i = 0; i < 2; i++)
        {
            var until = answered.Count + 20;
            await Until.TrueAsync(() => answered.Count >= until || load.IsCompleted, "twenty more answers");
            await service.CrashAsync();
            await service.StartAsync();
        }

        var more = answered.Count + 5;
        await Until.TrueAsync(() => answered.Count >= more || load.IsCompleted, "five more answers");
        await end.CancelAsync();
        await load;
        TestContext.Current.TestOutputHelper?.WriteLine($"{answered.Count} answered, {failures} refused, longest gap {longest.TotalSeconds:f2} s");
        foreach (var (wrapped, plaintext) in answered)
        {
            Assert.Equal(plaintext, await UnwrapAsync(service, wrapped));
        }

        // One server at a time: whatever slots were leased, each is a log without a gap, and every answer has its record.
        await using var connection = await server.OpenAsync(DatabaseOf(service));
        Assert.Equal(0, await connection.ExecuteScalarAsync<long>(
            "SELECT count(*) FROM (SELECT slot, max(sequence) + 1 - count(*) AS gap FROM keyservice.audit_records GROUP BY slot) AS logs WHERE gap <> 0"));
        Assert.True(await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM keyservice.audit_records") > 2 * answered.Count);
    }

    [Fact]
    public async Task An_embedded_store_moves_in_byte_for_byte_and_its_file_serves_no_more()
    {
        await using var service = new ServiceFixture();
        await service.InitializeAsync();
        await service.CreateKeyAsync("ehr/records");
        var (wrapped, plaintext) = await GenerateAsync(service);
        var owner = await MakeDatabaseAsync();
        var config = service.WriteConfig(Use(owner), "postgres.json");
        string[] import = ["store", "import", "--config", config, "--sqlite", service.StorePath, "--owner", owner.Role + "_owner"];

        var running = await Executables.RunServerAsync(import, service.ServerEnvironment, service.Directory);
        Assert.Contains("in use", running.ExpectExit(6).Error, StringComparison.Ordinal);
        await service.SettleAsync();
        await service.StopAsync();
        var before = await File.ReadAllBytesAsync(service.StorePath);
        var done = await Executables.RunServerAsync(import, service.ServerEnvironment, service.Directory);
        Assert.Contains("key_versions: 3 rows, the same in both", done.ExpectExit(0).Text, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(service.StorePath));

        var old = await Executables.RunServerAsync(["serve", "--config", service.ConfigPath], service.ServerEnvironment, service.Directory);
        Assert.Contains("was moved: it stands in postgres://", old.ExpectExit(5).Error, StringComparison.Ordinal);
        service.WriteConfig(Use(owner));
        await service.StartAsync();
        Assert.Equal(plaintext, await UnwrapAsync(service, wrapped));
    }

    private static string DatabaseOf(ServiceFixture service)
    {
        var configuration = Server.Hosting.ConfigurationFile.Load(service.ConfigPath);
        return configuration.Postgres!.Database;
    }

    private async Task<ServiceFixture> StartAsync()
    {
        var owner = await MakeDatabaseAsync();
        var service = new ServiceFixture { Configure = Use(owner), InitArguments = ["--owner", owner.Role + "_owner"] };
        await service.InitializeAsync();
        return service;
    }

    private async Task<(string Database, string Role)> MakeDatabaseAsync()
    {
        var database = await server.CreateDatabaseAsync("service");
        var role = $"role_{Guid.NewGuid():N}"[..20];
        await using var connection = await server.OpenAsync();
        await connection.ExecuteAsync($"CREATE ROLE {role} LOGIN; CREATE ROLE {role}_owner LOGIN; ALTER DATABASE {database} OWNER TO {role}_owner");
        return (database, role);
    }

    private Action<Dictionary<string, object?>> Use((string Database, string Role) made) => all => all["store"] = new Dictionary<string, object?>
    {
        ["postgres"] = new Dictionary<string, object?> { ["host"] = server.SocketDirectory, ["database"] = made.Database, ["user"] = made.Role },
    };

    private static async Task<(ByteString Wrapped, ByteString Plaintext)> GenerateAsync(ServiceFixture service)
    {
        using var channel = service.ConnectAs("database");
        var made = await new DataKeys.DataKeysClient(channel).GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = "ehr/records", Binding = General });
        return (made.Wrapped, made.Plaintext);
    }

    private static async Task<ByteString> UnwrapAsync(ServiceFixture service, ByteString wrapped)
    {
        using var channel = service.ConnectAs("database");
        return (await new DataKeys.DataKeysClient(channel).UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = wrapped, Binding = General })).Plaintext;
    }
}
