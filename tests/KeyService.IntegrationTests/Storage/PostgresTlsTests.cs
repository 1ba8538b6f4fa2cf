using Dapper;
using Google.Protobuf;
using Grpc.Core;
using KeyService.IntegrationTests.BadDays;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;

namespace KeyService.IntegrationTests.Storage;

/// <summary>
/// The way to the database over TLS, by password and by client certificate, against a real PostgreSQL: what it takes, what it refuses and in which words,
/// and passwords, certificates and authorities that are changed while the store is open.
/// </summary>
public sealed class PostgresTlsTests(PostgresTlsFixture server) : IClassFixture<PostgresTlsFixture>, IAsyncLifetime
{
    private const string Password = "correct-horse-battery";
    private const string NewPassword = "staple-of-another-kind";
    private const UnixFileMode OwnersOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-pgtls-client-").FullName;
    private string role = null!;

    private string PasswordFile => Path.Combine(directory, "password");

    private PostgresStoreOptions ByPassword => new()
    {
        Host = "127.0.0.1", Port = server.Server.Port, Database = role, User = role, PasswordFile = PasswordFile, RootCertificate = server.Ca,
        Mode = StoreMode.Create, PoolSize = 4, RetryTime = TimeSpan.FromMinutes(2),
    };

    public async ValueTask InitializeAsync()
    {
        role = await server.CreateRoleAsync($"PASSWORD '{Password}'");
        WritePassword(Password);
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(directory, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_store_opens_over_verified_TLS_with_the_password_of_a_file()
    {
        await using var store = Open(ByPassword);
        await CommitAsync(store);
        Assert.True((await store.ProbeAsync(CancellationToken.None)).Healthy);
        await using var taken = await store.TryTakeRoleAsync("rotation", CancellationToken.None);
        Assert.NotNull(taken);
        Assert.Equal((true, 3L), (await AskSessionsAsync<bool>("bool_and(ssl)"), await AskSessionsAsync<long>("count(*)")));
    }

    [Fact]
    public async Task A_store_opens_with_a_client_certificate_in_place_of_a_password()
    {
        var options = await ByCertificateAsync();
        await using var store = Open(options);
        await CommitAsync(store);
        Assert.Equal($"/CN={role}", await AskSessionsAsync<string>("max(client_dn)"));
    }

    [Fact]
    public async Task Verify_ca_takes_a_certificate_of_the_authority_that_names_another_host()
    {
        await using var store = Open(ByPassword with { Host = "127.0.0.2", Tls = PostgresTls.VerifyCa });
        await CommitAsync(store);
    }

    [Theory]
    [InlineData(PostgresTls.VerifyFull)]
    [InlineData(PostgresTls.VerifyCa)]
    public async Task A_certificate_of_another_authority_is_refused(object tls)
    {
        await Executables.MakePkiAsync(directory);
        var other = Path.Combine(directory, "ca.crt");
        AssertRefused(
            ByPassword with { RootCertificate = other, Tls = (PostgresTls)tls },
            "certificate (CN=localhost, issued by CN=KeyService development CA) does not come from a CA in", other, "store.postgres.rootCertificate");
        AssertRefused(ByPassword with { RootCertificate = null, Tls = (PostgresTls)tls }, "does not come from any CA that this machine trusts");
    }

    [Fact]
    public async Task The_machines_authorities_do_not_count_where_others_are_configured_and_those_of_the_environment_never()
    {
        await Executables.MakePkiAsync(directory);
        await using var service = new ServiceFixture();
        string[] migrate = ["store", "migrate", "--config", service.WriteConfig(Use(Path.Combine(directory, "ca.crt")))];
        // .NET takes the machine's authorities from where OpenSSL does.
        var trusting = new Dictionary<string, string?> { ["SSL_CERT_FILE"] = server.Ca };
        var refused = await Executables.RunServerAsync(migrate, trusting, service.Directory);
        Assert.Contains("does not come from a CA in", refused.ExpectExit(5).Error, StringComparison.Ordinal);
        // There it would have been trusted.
        service.WriteConfig(Use(ca: null));
        var taken = await Executables.RunServerAsync(migrate, trusting, service.Directory);
        Assert.Contains("There is no store in", taken.ExpectExit(5).Error, StringComparison.Ordinal);
        var named = await Executables.RunServerAsync(migrate, new Dictionary<string, string?> { ["PGSSLROOTCERT"] = server.Ca }, service.Directory);
        Assert.Contains("does not come from any CA that this machine trusts", named.ExpectExit(5).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_certificate_that_does_not_name_the_host_is_refused() => AssertRefused(
        ByPassword with { Host = "127.0.0.2" }, "certificate (CN=localhost) does not name the host 127.0.0.2", "store.postgres.host");

    [Fact]
    public async Task A_server_without_TLS_is_refused()
    {
        await server.UseTlsAsync("off");
        try
        {
            AssertRefused(ByPassword, "the database offers no TLS: set ssl = on there");
        }
        finally
        {
            await server.UseTlsAsync("on");
        }
    }

    [Fact]
    public void A_server_that_demands_TLS_says_so_to_who_comes_without() => AssertRefused(
        ByPassword with { Tls = PostgresTls.None }, "does not let the role in", "no encryption", "pg_hba.conf");

    [Fact]
    public void A_wrong_password_is_refused()
    {
        WritePassword("not-the-password");
        AssertRefused(ByPassword, "refused the role or its password", "store.postgres.user and passwordFile");
    }

    [Fact]
    public void A_password_file_that_cannot_be_used_is_named_with_the_reason()
    {
        File.SetUnixFileMode(PasswordFile, OwnersOnly | UnixFileMode.GroupRead);
        AssertRefused(ByPassword, PasswordFile, "can be read or written by others than its owner; chmod 600 it");
        File.SetUnixFileMode(PasswordFile, OwnersOnly);
        File.WriteAllText(PasswordFile, "\n");
        AssertRefused(ByPassword, PasswordFile, "has nothing in its first line");
        File.Delete(PasswordFile);
        AssertRefused(ByPassword, PasswordFile, "cannot be read");
    }

    [Fact]
    public async Task A_role_that_needs_a_client_certificate_is_refused_without_one_and_with_that_of_another()
    {
        var options = await ByCertificateAsync();
        AssertRefused(
            options with { ClientCertificate = null, ClientKey = null }, "does not let the role in", "valid client certificate", "store.postgres.user, clientCertificate");
        var (certificate, key) = await server.IssueAsync("somebody");
        AssertRefused(options with { ClientCertificate = certificate, ClientKey = key }, "does not let the role in", "certificate authentication failed");
    }

    [Fact]
    public async Task Files_of_certificates_that_cannot_be_used_are_named_with_the_reason()
    {
        var options = await ByCertificateAsync();
        var absent = Path.Combine(directory, "absent.pem");
        AssertRefused(options with { ClientCertificate = absent }, "store.postgres.clientCertificate and clientKey cannot be used", absent);
        AssertRefused(options with { ClientKey = absent }, "store.postgres.clientCertificate and clientKey cannot be used", absent);
        AssertRefused(options with { ClientKey = PasswordFile }, "store.postgres.clientCertificate and clientKey cannot be used");
        AssertRefused(options with { RootCertificate = absent }, absent, "cannot be read", "store.postgres.rootCertificate");
        AssertRefused(options with { RootCertificate = PasswordFile }, "There is no certificate in", "store.postgres.rootCertificate");
    }

    [Fact]
    public async Task A_changed_password_is_read_at_the_next_login_and_calls_wait_until_it_stands_in_the_file()
    {
        await using var store = Open(ByPassword);
        await CommitAsync(store);
        await server.EditAsync($"ALTER ROLE {role} PASSWORD '{NewPassword}'");
        await server.EndSessionsAsync(role);
        var commit = CommitAsync(store);
        await Until.TrueAsync(() => server.Server.Log.Contains($"password authentication failed for user \"{role}\"", StringComparison.Ordinal), "a refused login");
        Assert.False(commit.IsCompleted);
        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(() => ReadAsync(store));
        Assert.Contains("store.postgres.user and passwordFile", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Password, refused.ToString(), StringComparison.Ordinal);

        WritePassword(NewPassword);
        Assert.Equal(1, (await commit).Sequence);
        Assert.Equal(2, await ReadAsync(store));
    }

    [Fact]
    public async Task A_refused_login_ends_no_session_that_is_open()
    {
        await using var store = Open(ByPassword);
        await CommitAsync(store);
        await server.EditAsync($"ALTER ROLE {role} PASSWORD '{NewPassword}'");
        var busy = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var leave = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        WritePassword(NewPassword);
        var first = store.ReadAsync(
            async connection =>
            {
                busy.SetResult();
                await leave.Task;
                return await CountAsync(connection);
            },
            CancellationToken.None);
        await busy.Task;
        WritePassword(Password);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => ReadAsync(store));
        leave.SetResult();
        Assert.Equal(1, await first);
        // On the session of the first one: there is no other, and none could be had.
        Assert.Equal(1, await ReadAsync(store));
        await CommitAsync(store);
    }

    [Fact]
    public async Task A_renewed_authority_is_taken_at_the_next_login()
    {
        await Executables.MakePkiAsync(directory);
        var roots = Path.Combine(directory, "ca.crt");
        var other = await File.ReadAllTextAsync(roots);
        await File.AppendAllTextAsync(roots, await File.ReadAllTextAsync(server.Ca));
        await using var store = Open(ByPassword with { RootCertificate = roots });
        await CommitAsync(store);
        await File.WriteAllTextAsync(roots, other);
        await server.EndSessionsAsync(role);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => ReadAsync(store));
        File.Copy(server.Ca, roots, overwrite: true);
        Assert.Equal(1, await ReadAsync(store));
        await CommitAsync(store);
    }

    [Fact]
    public async Task A_service_serves_over_TLS_and_goes_on_after_its_password_was_changed()
    {
        var owner = await server.CreateRoleAsync($"PASSWORD '{NewPassword}'");
        await server.EditAsync($"ALTER DATABASE {role} OWNER TO {owner}");
        var ownerPassword = Path.Combine(directory, "owner-password");
        Write(ownerPassword, NewPassword);
        await using var service = new ServiceFixture
        {
            Configure = Use(server.Ca), InitArguments = ["--owner", owner, "--owner-password-file", ownerPassword],
        };
        await service.InitializeAsync();
        await service.CreateKeyAsync("ehr/records");
        var wrapped = await GenerateAsync(service);
        Assert.Equal(0, await AskSessionsAsync<long>("count(*) FILTER (WHERE NOT ssl)"));
        Assert.True(await AskSessionsAsync<long>("count(*)") >= 3);

        var changed = $"{NewPassword}-{Guid.NewGuid():N}";
        await server.EditAsync($"ALTER ROLE {role} PASSWORD '{changed}'");
        WritePassword(changed);
        await server.EndSessionsAsync(role);
        await Until.TrueAsync(async () => await AnswersAsync(service, wrapped), "an answer after the password was changed");
        await GenerateAsync(service);
        foreach (var password in new[] { Password, NewPassword, changed })
        {
            Assert.DoesNotContain(password, service.ServerLog, StringComparison.Ordinal);
        }
    }

    private static PostgresStore Open(PostgresStoreOptions options) => PostgresStore.Open(options, TimeProvider.System);

    private void AssertRefused(PostgresStoreOptions options, params string[] words)
    {
        var refused = Assert.Throws<StoreOpenException>(() => Open(options));
        Assert.All(words, word => Assert.Contains(word, refused.Message, StringComparison.Ordinal));
        Assert.DoesNotContain(Password, refused.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("not-the-password", refused.ToString(), StringComparison.Ordinal);
    }

    private async Task<PostgresStoreOptions> ByCertificateAsync()
    {
        role = await server.CreateRoleAsync($"IN ROLE {PostgresTlsFixture.ByCertificate}");
        var (certificate, key) = await server.IssueAsync(role);
        return ByPassword with { PasswordFile = null, ClientCertificate = certificate, ClientKey = key };
    }

    private Action<Dictionary<string, object?>> Use(string? ca) => all => all["store"] = new Dictionary<string, object?>
    {
        ["postgres"] = new Dictionary<string, object?>
        {
            ["host"] = "127.0.0.1", ["port"] = server.Server.Port, ["database"] = role, ["user"] = role, ["passwordFile"] = PasswordFile,
            ["sslMode"] = "verify-full", ["rootCertificate"] = ca,
        },
    };

    private Task<T> AskSessionsAsync<T>(string what) =>
        server.AskAsync<T>($"SELECT {what} FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '{role}'");

    private void WritePassword(string password) => Write(PasswordFile, password);

    // Whole or not at all, as whoever changes one has to: a store reads it whenever it logs in.
    private static void Write(string path, string password)
    {
        File.WriteAllText(path + ".new", password + "\n");
        File.SetUnixFileMode(path + ".new", OwnersOnly);
        File.Move(path + ".new", path, overwrite: true);
    }

    private static Task<CommitReceipt> CommitAsync(PostgresStore store) => store.CommitAsync(new(AuditEvent.StatusRead), null, CancellationToken.None);

    private static Task<long> ReadAsync(PostgresStore store) => store.ReadAsync(CountAsync, CancellationToken.None);

    private static Task<long> CountAsync(System.Data.Common.DbConnection connection) =>
        connection.ExecuteScalarAsync<long>("SELECT count(*) FROM audit_records");

    private static async Task<ByteString> GenerateAsync(ServiceFixture service)
    {
        using var channel = service.ConnectAs("database");
        var binding = new DataKeyBinding { Use = DataKeyUse.General };
        return (await new DataKeys.DataKeysClient(channel).GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = "ehr/records", Binding = binding })).Wrapped;
    }

    // A read that finds its session ended is tried once more; one of several that were ended together may be refused.
    private static async Task<bool> AnswersAsync(ServiceFixture service, ByteString wrapped)
    {
        using var channel = service.ConnectAs("database");
        var binding = new DataKeyBinding { Use = DataKeyUse.General };
        try
        {
            await new DataKeys.DataKeysClient(channel).UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = wrapped, Binding = binding });
            return true;
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
        {
            return false;
        }
    }
}
