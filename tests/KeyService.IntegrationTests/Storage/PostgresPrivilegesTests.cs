using Dapper;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Tests.Storage;
using Npgsql;

namespace KeyService.IntegrationTests.Storage;

/// <summary>The service logs in as a role that owns nothing: what it may not do, PostgreSQL refuses.</summary>
public sealed class PostgresPrivilegesTests(PostgresFixture server) : IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private PostgresDatabase _database = null!;
    private string _service = null!;

    private PostgresStoreOptions AsService => _database.Options with { User = _service, Mode = StoreMode.ReadWrite };

    private PostgresStoreOptions AsOwner => _database.Options with { User = _service + "_owner" };

    public async ValueTask InitializeAsync()
    {
        _database = await PostgresDatabase.MakeAsync(server);
        _service = $"service_{Guid.NewGuid():N}"[..20];
        await _database.EditAsync($"CREATE ROLE {_service} LOGIN; CREATE ROLE {_service}_owner LOGIN; ALTER DATABASE {_database.Name} OWNER TO {_service}_owner");
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData("DELETE FROM audit_records")]
    [InlineData("UPDATE audit_records SET record = ''")]
    [InlineData("TRUNCATE audit_records")]
    [InlineData("DROP TABLE audit_records")]
    [InlineData("ALTER TABLE audit_records DISABLE TRIGGER ALL")]
    [InlineData("ALTER TABLE audit_records DETACH PARTITION audit_records_2026_11")]
    [InlineData("DELETE FROM audit_records_2026_11")]
    [InlineData("SELECT * FROM audit_records_2026_11")]
    [InlineData("DELETE FROM audit_heads")]
    [InlineData("DELETE FROM audit_slots")]
    [InlineData("DELETE FROM grants")]
    [InlineData("DELETE FROM principals")]
    [InlineData("DELETE FROM key_versions")]
    [InlineData("DELETE FROM installation")]
    [InlineData("UPDATE bundles SET revision = 2")]
    [InlineData("DELETE FROM key_transitions")]
    [InlineData("UPDATE schema_version SET version = 1")]
    [InlineData("TRUNCATE requests")]
    [InlineData("CREATE TABLE keyservice.theirs (id BIGINT)")]
    [InlineData("CREATE FUNCTION keyservice.theirs() RETURNS VOID LANGUAGE sql AS ''")]
    [InlineData("GRANT DELETE ON audit_records TO PUBLIC")]
    public async Task What_was_recorded_and_the_schema_are_out_of_the_services_reach(string sql)
    {
        Prepare();
        await using (var store = PostgresStore.Open(AsService, new TestTime()))
        {
            await store.CommitAsync(new(Server.Audit.AuditEvent.StatusRead), null, CancellationToken.None);
        }

        await using var connection = new NpgsqlConnection(server.ConnectionString(_database.Name) + $";Username={_service};Search Path=keyservice");
        // A GRANT of what one has not got changes nothing and warns; every other statement is refused.
        var warned = false;
        connection.Notice += (_, _) => warned = true;
        var refused = await Record.ExceptionAsync(() => connection.ExecuteAsync(sql)) as PostgresException;
        Assert.True(refused?.SqlState == PostgresErrorCodes.InsufficientPrivilege || (refused is null && warned), refused?.ToString() ?? "It was let through.");
        Assert.Equal(1, await _database.AskAsync<long>("SELECT count(*) FROM audit_records"));
    }

    [Fact]
    public async Task The_service_does_all_its_work_as_its_role()
    {
        Prepare();
        var rows = SoftwareRows.Of();
        var time = new TestTime();
        await using var store = PostgresStore.Open(AsService, time);
        Assert.DoesNotContain(store.Warnings, warning => warning.Contains("may delete", StringComparison.Ordinal));
        await SoftwareRows.InstallAsync(store, rows);
        var ledger = new RequestLedger(rows);
        await store.CommitAsync(
            new(Server.Audit.AuditEvent.StatusRead), transaction => ledger.RememberAsync(transaction, "p", "r", "m", new byte[32], [1]), CancellationToken.None);
        // Two months on, in a month that has no partition yet, and the ledger forgets what is old.
        time.Advance(TimeSpan.FromDays(200));
        await store.CommitAsync(
            new(Server.Audit.AuditEvent.StatusRead), transaction => ledger.RememberAsync(transaction, "p", "s", "m", new byte[32], [1]), CancellationToken.None);
        Assert.Equal("s", await _database.AskAsync<string>("SELECT string_agg(request_id, ',') FROM requests"));
        Assert.True((await store.ProbeAsync(CancellationToken.None)).Healthy);
    }

    [Fact]
    public void An_older_schema_is_the_owners_to_bring_forward()
    {
        using (var connection = PostgresConnections.OpenForSchema(AsOwner))
        {
            PostgresSchema.Upgrade(connection, "the test's", [.. Migrations.Postgres.SkipLast(1)], new TestTime());
            PostgresGrants.Apply(connection, _service);
        }

        var refusal = Assert.Throws<StoreOpenException>(() => PostgresStore.Open(AsService, new TestTime()));
        Assert.Contains("store migrate", refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>Only the newer version knows what its tables need: an older one would take from the service what it must have, or give it too much.</summary>
    [Fact]
    public async Task An_older_migrate_leaves_the_privileges_of_a_newer_schema_alone()
    {
        Prepare();
        var next = Migrations.Postgres.Count + 1;
        using (var connection = PostgresConnections.OpenForSchema(AsOwner))
        {
            var step = new Migration(next, "more", $"-- Servers that know schema {next - 1} or later work with this step.\nCREATE TABLE more (id BIGINT)");
            PostgresSchema.Upgrade(connection, "the test's", [.. Migrations.Postgres, step], new TestTime());
            connection.Execute($"GRANT SELECT, INSERT, DELETE ON more TO {_service}");
        }

        var directory = Directory.CreateTempSubdirectory("keyservice-migrate-");
        try
        {
            var config = Path.Combine(directory.FullName, "server.json");
            await File.WriteAllTextAsync(config, $$"""
                {
                    "profile": "development", "dataDirectory": ".", "listen": { "unixSocket": "keyservice.sock" },
                    "hsm": { "module": "/none.so", "tokenLabel": "none", "pinFile": "pin" },
                    "store": { "postgres": { "host": "{{server.SocketDirectory}}", "database": "{{_database.Name}}", "user": "{{_service}}" } }
                }
                """);
            var migrated = await Executables.RunServerAsync(["store", "migrate", "--config", config, "--owner", _service + "_owner"]);
            Assert.Contains("the schema of a newer version, which this one works with; nothing was changed", migrated.ExpectExit(0).Text, StringComparison.Ordinal);
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        Assert.Equal("DELETE,INSERT,SELECT", await _database.AskAsync<string>(
            $"SELECT string_agg(privilege_type, ',' ORDER BY privilege_type) FROM information_schema.role_table_grants WHERE grantee = '{_service}' AND table_name = 'more'"));
        await using var store = PostgresStore.Open(AsService, new TestTime());
        Assert.True(store.IsAhead);
    }

    [Fact]
    public async Task Who_serves_as_the_owner_is_told_what_that_means()
    {
        await using var store = PostgresStore.Open(AsOwner, new TestTime());
        Assert.Contains(store.Warnings, warning => warning.Contains("may delete audit records", StringComparison.Ordinal));
    }

    private void Prepare()
    {
        using var connection = PostgresConnections.OpenForSchema(AsOwner);
        PostgresSchema.Upgrade(connection, "the test's", Migrations.Postgres, new TestTime());
        PostgresGrants.Apply(connection, _service);
    }
}
