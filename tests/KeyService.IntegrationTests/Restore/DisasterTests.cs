using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dapper;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Crypto.Backups;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Restore;

/// <summary>The token and the database are destroyed; bundles and the backup key bring everything back, over both stores.</summary>
public sealed class DisasterTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public Task Every_field_and_archive_opens_again_and_nothing_restored_encrypts() => LoseAndRestoreAsync(onPostgres: false);

    [Fact]
    [Trait("Duration", "long")]
    public Task The_same_in_PostgreSQL_by_a_role_that_owns_nothing() => LoseAndRestoreAsync(onPostgres: true);

    private async Task LoseAndRestoreAsync(bool onPostgres)
    {
        var owner = onPostgres ? await MakeDatabaseAsync() : default;
        await using var site = onPostgres ? await DisasterSite.StartAsync(Use(owner), "--owner", owner.Role + "_owner") : await DisasterSite.StartAsync();
        var service = site.Service;
        var fields = new SealedFields(service);
        foreach (var key in new[] { "ehr/fields", "ehr/stopped", "ehr/leaked", "ehr-backup" })
        {
            await service.CreateKeyAsync(key);
            await fields.AddAsync(key);
        }

        await RotateAsync(service, "ehr/fields");
        await fields.AddAsync("ehr/fields");
        var archive = Path.Combine(service.Directory, "dump.ksa");
        var dump = RandomNumberGenerator.GetBytes(200_000);
        (await service.RunCliAsync(service.Backup, dump, "encrypt", "--key", "ehr-backup", "-o", archive)).ExpectExit(0);
        await ChangeStateAsync(service, "ehr/stopped", KeyState.Suspended, stop: true);
        await ChangeStateAsync(service, "ehr/leaked", KeyState.Compromised);
        await service.SettleAsync();
        await site.ExportAsync();
        await service.CreateKeyAsync("ehr/late");
        await fields.AddAsync("ehr/late");
        var bundles = await site.SettledBundlesAsync();
        Assert.True(bundles.Length > 1, "an incremental bundle follows the full one");

        // After the last bundle: a version that waited in it begins to encrypt, and a key is made that no bundle holds.
        await RotateAsync(service, "ehr/fields");
        await fields.AddAsync("ehr/fields");
        await service.CreateKeyAsync("ehr/lost");
        var before = await VersionsAsync(service);
        var newest = await VerifyAsync(bundles[^1]);

        await site.DestroyAsync();
        if (onPostgres)
        {
            owner = await MakeDatabaseAsync();
            service.WriteConfig(configuration =>
            {
                site.Configure(Use(owner));
                service.Configure!(configuration);
            });
        }

        var started = Stopwatch.GetTimestamp();
        var restored = await site.RestoreAsync(bundles, [.. onPostgres ? new[] { "--owner", owner.Role + "_owner" } : [], "--json"]);
        using var result = JsonDocument.Parse(restored.ExpectExit(0).Text.TrimEnd().Split('\n')[^1]);
        Assert.Equal("restored", result.RootElement.GetProperty("event").GetString());
        Assert.Equal(5, result.RootElement.GetProperty("keys").GetInt32());
        Assert.Equal(Convert.ToHexStringLower(newest.Header.InstallationId), result.RootElement.GetProperty("installation").GetString());
        var log = result.RootElement.GetProperty("log").GetString()!;
        Assert.NotEqual(Convert.ToHexStringLower(newest.Header.InstallationId), log);
        Assert.Contains("\"event\":\"progress\"", restored.Text, StringComparison.Ordinal);

        await site.ServeAsync();
        await fields.OpenAllAsync(except: "ehr/stopped");
        TestContext.Current.TestOutputHelper?.WriteLine($"restored in {result.RootElement.GetProperty("seconds")} s; everything opens {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s after the disaster; 72 hours are the limit");
        var opened = Path.Combine(service.Directory, "dump");
        (await service.RunCliAsync(service.Backup, "decrypt", "-o", opened, archive)).ExpectExit(0);
        Assert.Equal(dump, await File.ReadAllBytesAsync(opened, Cancellation));

        // What a person had stopped stays stopped, until a person lets it go.
        await Assert.ThrowsAsync<RpcException>(() => fields.OpenAllAsync(only: "ehr/stopped"));
        await ChangeStateAsync(service, "ehr/stopped", KeyState.Active);
        await fields.OpenAllAsync(only: "ehr/stopped");
        await fields.IsExhaustedAsync("ehr/stopped");
        await ChangeStateAsync(service, "ehr/stopped", KeyState.Deactivated);

        // No version of before encrypts, whatever its state was; each key encrypts again under a new one.
        await fields.EncryptsAgainAsync(["ehr/fields", "ehr/late", "ehr/leaked", "ehr/stopped", "ehr-backup"], before.Select(version => version.Id).ToHashSet());
        var after = await VersionsAsync(service);
        foreach (var version in before.Where(version => version.Key != "ehr/lost" && after.ContainsKey(version.Id)))
        {
            Assert.Equal(
                version.State switch { KeyState.Compromised => KeyState.Compromised, _ => KeyState.Deactivated }, after[version.Id].State);
        }

        Assert.Equal(result.RootElement.GetProperty("versions").GetInt32(), before.Count(version => after.ContainsKey(version.Id)));
        using (var channel = service.ConnectAs("administrator"))
        {
            await Assert.ThrowsAsync<RpcException>(async () => await new Keys.KeysClient(channel).GetKeyAsync(new GetKeyRequest { Name = "ehr/lost" }));
        }

        await LogIsNewAsync(service, log);
        await NextBundleFollowsAsync(site, newest);
        var doctor = await Executables.RunServerAsync(["doctor", "--config", service.ConfigPath], service.ServerEnvironment, service.Directory);
        Assert.DoesNotContain("PROBLEM", doctor.Text, StringComparison.Ordinal);
        await service.RestartAsync();
        await fields.OpenAllAsync();
    }

    [Fact]
    public async Task The_columns_of_a_clinical_database_and_its_dump_open_again()
    {
        await using var site = await DisasterSite.StartAsync();
        var service = site.Service;
        await using var connection = await postgres.OpenAsync(await postgres.CreateDatabaseAsync("ehr"));
        var sample = await ClinicalSample.SealAsync(postgres, service, connection);
        var bundles = await site.SettledBundlesAsync();
        await site.DestroyAsync();

        var started = Stopwatch.GetTimestamp();
        (await site.RestoreAsync(bundles)).ExpectExit(0);
        await site.ServeAsync();
        var values = await sample.OpenAgainAsync();
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{values} values and the dump opened {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s after the disaster; 72 hours are the limit");
    }

    private static Task RotateAsync(ServiceFixture service, string key) => Service.Calls.RotateAsync(service, key);

    private static async Task ChangeStateAsync(ServiceFixture service, string key, KeyState state, bool stop = false)
    {
        using var channel = service.ConnectAs("administrator");
        await new Keys.KeysClient(channel).ChangeKeyVersionStateAsync(new ChangeKeyVersionStateRequest
        {
            RequestId = $"{Guid.NewGuid()}", Name = key, State = state, Reason = "the test", StopProcessing = stop,
        });
    }

    private static async Task<Dictionary<string, (string Id, string Key, KeyState State)>> VersionsByIdAsync(ServiceFixture service)
    {
        using var channel = service.ConnectAs("administrator");
        var keys = new Keys.KeysClient(channel);
        var all = new Dictionary<string, (string Id, string Key, KeyState State)>();
        foreach (var key in (await keys.ListKeysAsync(new ListKeysRequest { PageSize = 1000 })).Keys)
        {
            foreach (var version in (await keys.ListKeyVersionsAsync(new ListKeyVersionsRequest { Name = key.Name, PageSize = 1000 })).Versions)
            {
                all.Add(version.Id, (version.Id, key.Name, version.State));
            }
        }

        return all;
    }

    private static async Task<VersionSet> VersionsAsync(ServiceFixture service) => new(await VersionsByIdAsync(service));

    private static async Task<VerifiedBundle> VerifyAsync(string path)
    {
        await using var stream = File.OpenRead(path);
        return await VerifiedBundle.ReadAsync(stream);
    }

    // The log begins with what was restored, its export verifies under a name of its own, and the name of the log before is not used.
    private static async Task LogIsNewAsync(ServiceFixture service, string log)
    {
        var exported = Path.Combine(service.Directory, "log");
        (await service.RunCliAsync(service.Administrator, "audit", "export", exported)).ExpectExit(0);
        (await service.RunCliAsync(service.Administrator, "audit", "verify", exported)).ExpectExit(0);
        Assert.StartsWith($"keyservice/{log}/directory\n", await File.ReadAllTextAsync(Path.Combine(exported, "directory", "checkpoint"), Cancellation), StringComparison.Ordinal);
        var pack = Path.Combine(service.Directory, "pack.zip");
        (await service.RunCliAsync(service.Administrator, "evidence", "pack", "--from", "2026-01-01", "-o", pack)).ExpectExit(0);
        (await service.RunCliAsync(service.Administrator, "evidence", "verify", pack)).ExpectExit(0);
        var tail = (await service.RunCliAsync(service.Administrator, "audit", "tail", "-n", "1000", "--json")).ExpectExit(0).Text.Split('\n');
        Assert.Contains("restore-begun", tail[0], StringComparison.Ordinal);
        Assert.Contains(tail, line => line.Contains("installation-restored", StringComparison.Ordinal));
    }

    private static async Task NextBundleFollowsAsync(DisasterSite site, VerifiedBundle newest)
    {
        await site.ExportAsync();
        var files = Directory.GetFiles(site.Vault, "*.ksb");
        var bundles = new List<VerifiedBundle>();
        foreach (var file in files)
        {
            bundles.Add(await VerifyAsync(file));
        }

        var next = bundles.Single(bundle => bundle.Header.PreviousDigest.SequenceEqual(newest.Digest) && !bundle.SigningKey.SequenceEqual(newest.SigningKey));
        Assert.Equal(newest.Header.Sequence + 1, next.Header.Sequence);
        Assert.Equal(Crypto.Backups.BundleKind.Full, next.Header.Kind);
        Assert.Equal(newest.Header.BackupKeyId, next.Header.BackupKeyId);
    }

    private async Task<(string Database, string Role)> MakeDatabaseAsync()
    {
        var database = await postgres.CreateDatabaseAsync("service");
        var role = $"role_{Guid.NewGuid():N}"[..20];
        await using var connection = await postgres.OpenAsync();
        await connection.ExecuteAsync($"CREATE ROLE {role} LOGIN; CREATE ROLE {role}_owner LOGIN; ALTER DATABASE {database} OWNER TO {role}_owner");
        return (database, role);
    }

    private Action<Dictionary<string, object?>> Use((string Database, string Role) made) => all => all["store"] = new Dictionary<string, object?>
    {
        ["postgres"] = new Dictionary<string, object?> { ["host"] = postgres.SocketDirectory, ["database"] = made.Database, ["user"] = made.Role },
    };

    private sealed class VersionSet(Dictionary<string, (string Id, string Key, KeyState State)> all) : List<(string Id, string Key, KeyState State)>(all.Values)
    {
        public (string Id, string Key, KeyState State) this[string id] => all[id];

        public bool ContainsKey(string id) => all.ContainsKey(id);
    }
}

/// <summary>Fields that were encrypted, and what they must open to.</summary>
internal sealed class SealedFields(ServiceFixture service)
{
    private readonly List<(string Key, ByteString Token, string Text)> _fields = [];

    private static Context Row(string text) => Service.Calls.Context(("row", text));

    internal async Task AddAsync(string key)
    {
        using var channel = service.ConnectAs("database");
        var cipher = new Cipher.CipherClient(channel);
        for (var i = 0; i < 3; i++)
        {
            var text = $"{key} {_fields.Count}";
            var answer = await cipher.EncryptAsync(new EncryptRequest { Key = key, Context = Row(text), Plaintext = ByteString.CopyFromUtf8(text) });
            _fields.Add((key, answer.Ciphertext, text));
        }
    }

    internal async Task OpenAllAsync(string? only = null, string? except = null)
    {
        using var channel = service.ConnectAs("database");
        var cipher = new Cipher.CipherClient(channel);
        foreach (var (key, token, text) in _fields.Where(field => (only is null || field.Key == only) && field.Key != except))
        {
            var answer = await cipher.DecryptAsync(new DecryptRequest { Ciphertext = token, Context = Row(text) });
            Assert.Equal((key, text), (answer.Key, Encoding.UTF8.GetString(answer.Plaintext.Span)));
        }
    }

    internal async Task IsExhaustedAsync(string key)
    {
        using var channel = service.ConnectAs("database");
        await Service.Calls.RefusedAsync(Reason.KeyExhausted, new DataKeys.DataKeysClient(channel).GenerateDataKeyAsync(
            new GenerateDataKeyRequest { Key = key, Binding = new DataKeyBinding { Use = DataKeyUse.General } }));
    }

    internal async Task EncryptsAgainAsync(IEnumerable<string> keys, HashSet<string> old)
    {
        using var channel = service.ConnectAs("database");
        var cipher = new Cipher.CipherClient(channel);
        foreach (var key in keys)
        {
            EncryptResponse? answer = null;
            await Until.TrueAsync(
                async () =>
                {
                    try
                    {
                        answer = await cipher.EncryptAsync(new EncryptRequest { Key = key, Context = Row(key), Plaintext = ByteString.CopyFromUtf8(key) });
                        return true;
                    }
                    catch (RpcException e) when (Service.Calls.ReasonOf(e) == "KEY_STATE")
                    {
                        return false;
                    }
                },
                $"{key} encrypts again");
            Assert.DoesNotContain(answer!.KeyVersion, old);
            _fields.Add((key, answer.Ciphertext, key));
        }
    }
}
