using Dapper;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace KeyService.IntegrationTests.Storage;

/// <summary>How a database gets the schema, and which ones are refused.</summary>
public sealed class PostgresSchemaTests(PostgresFixture server) : IClassFixture<PostgresFixture>
{
    public static TheoryData<int> EarlierSteps => [.. Enumerable.Range(1, Migrations.Postgres.Count - 1)];

    [Theory]
    [MemberData(nameof(EarlierSteps))]
    public async Task A_store_of_every_earlier_step_is_brought_forward_and_keeps_its_rows(int step)
    {
        var database = await PostgresDatabase.MakeAsync(server);
        using (var connection = PostgresConnections.OpenForSchema(database.Options))
        {
            PostgresSchema.Upgrade(connection, "the test's", [.. Migrations.Postgres.Take(step)], new TestTime());
            connection.Execute("INSERT INTO store_probe (id, probed_at) VALUES (63, 42)");
            connection.Execute("INSERT INTO integrity_key_blobs (token_id, blob, check_value, created_at) VALUES ('token', @bytes, @bytes, 7)", new { bytes = new byte[] { 1, 0, 255 } });
        }

        await using var store = database.Open();
        Assert.Equal(42, await database.AskAsync<long>("SELECT probed_at FROM store_probe WHERE id = 63"));
        Assert.Equal([1, 0, 255], await database.AskAsync<byte[]>("SELECT blob FROM integrity_key_blobs"));
        Assert.Equal(Migrations.Postgres.Count, await database.AskAsync<long>("SELECT count(*) FROM schema_version"));
        Assert.True((await store.ProbeAsync(CancellationToken.None)).Healthy);
    }

    [Fact]
    public async Task Servers_that_start_together_on_an_empty_database_make_one_schema()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        var stores = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => database.Open())));
        Assert.Equal([0, 1, 2], stores.Select(store => store.Slot).Order());
        Assert.Equal(Migrations.Postgres.Count, await database.AskAsync<long>("SELECT count(*) FROM schema_version"));
        foreach (var store in stores)
        {
            await store.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_newer_schema_is_refused()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        Migration[] newer = [.. Migrations.Postgres, new Migration(Migrations.Postgres.Count + 1, "more", "CREATE TABLE more (id BIGINT)")];
        await using (PostgresStore.Open(database.Options, new TestTime(), newer))
        {
        }

        Assert.Contains("newer KeyService", Assert.Throws<StoreOpenException>(() => database.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_that_is_not_ours_is_refused()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using (database.Open())
        {
        }

        await database.EditAsync("UPDATE schema_version SET digest = sha256('other') WHERE version = 2");
        Assert.Contains("schema step 2", Assert.Throws<StoreOpenException>(() => database.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_schema_of_another_program_is_refused()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await database.EditAsync("CREATE SCHEMA keyservice; CREATE TABLE keyservice.theirs (id BIGINT)");
        Assert.Contains("another program", Assert.Throws<StoreOpenException>(() => database.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_that_fails_leaves_the_store_as_it_was()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        Migration[] broken = [.. Migrations.Postgres, new Migration(Migrations.Postgres.Count + 1, "broken", "CREATE TABLE half (id BIGINT); SELECT * FROM absent;")];
        Assert.Throws<StoreOpenException>(() => PostgresStore.Open(database.Options, new TestTime(), broken));
        Assert.False(await database.AskAsync<bool>("SELECT to_regclass('half') IS NOT NULL"));
        await using var again = database.Open();
        Assert.True((await again.ProbeAsync(CancellationToken.None)).Healthy);
    }

    [Fact]
    public async Task Serving_an_empty_database_is_refused_and_makes_nothing()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        var refusal = Assert.Throws<StoreOpenException>(() => PostgresStore.Open(database.Options with { Mode = StoreMode.ReadWrite }, new TestTime()));
        Assert.Contains("There is no store", refusal.Message, StringComparison.Ordinal);
        Assert.False(await database.AskAsync<bool>("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'keyservice')"));
    }

    [Fact]
    public async Task A_database_that_acknowledges_before_it_is_durable_is_refused()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await database.EditAsync($"ALTER DATABASE {database.Name} SET synchronous_commit = off");
        Assert.Contains("synchronous_commit", Assert.Throws<StoreOpenException>(() => database.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_without_fsync_is_said()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var store = database.Open();
        Assert.Contains(store.Warnings, warning => warning.Contains("fsync is off", StringComparison.Ordinal));
    }

    /// <summary>The steps are written twice, once for each database: they must make the same.</summary>
    [Fact]
    public async Task Both_databases_have_the_same_tables_and_columns()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using (database.Open())
        {
        }

        using var connection = PostgresConnections.OpenForSchema(database.Options);
        var postgres = connection.Query<string>("""
            SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            WHERE relnamespace = 'keyservice'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND NOT attisdropped
            """).Order(StringComparer.Ordinal);
        var directory = Directory.CreateTempSubdirectory("keyservice-schema-");
        try
        {
            var path = Path.Combine(directory.FullName, "store.db");
            await using (SqliteStore.Open(new SqliteStoreOptions { Path = path, Mode = StoreMode.Create }, new TestTime()))
            {
            }

            await using var file = new SqliteConnection($"Data Source={path};Pooling=False");
            var sqlite = file.Query<string>(
                "SELECT m.name || '.' || c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'")
                .Concat(["audit_heads.next_sequence", "audit_heads.slot", "audit_records.recorded_at"]).Order(StringComparer.Ordinal);
            Assert.Equal(sqlite, postgres);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Deciding_tables_carry_revision_and_mac()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using (database.Open())
        {
        }

        using var connection = PostgresConnections.OpenForSchema(database.Options);
        var without = connection.Query<string>("""
            SELECT relname FROM pg_class WHERE relnamespace = 'keyservice'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            AND (SELECT count(*) FROM pg_attribute WHERE attrelid = pg_class.oid AND attname IN ('revision', 'mac')) < 2 ORDER BY relname
            """);
        string[] undecided = ["audit_heads", "audit_records", "integrity_key_blobs", "register_state", "schema_version", "store_probe"];
        // row_changes and change_position list what the records say, bundle_versions where to look; they decide nothing.
        Assert.Equal(undecided, without.Except(["row_changes", "change_position", "bundle_versions"]));
    }
}
