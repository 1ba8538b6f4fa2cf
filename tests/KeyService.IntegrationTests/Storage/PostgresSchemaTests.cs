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
    public async Task An_older_server_works_beside_a_newer_one_whose_steps_say_so()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        var known = Migrations.Postgres.Count;
        await using var running = database.Open();
        Migration[] newer = [.. Migrations.Postgres, Next(known, "ALTER TABLE store_probe ADD COLUMN note TEXT; CREATE TABLE more (id BIGINT)")];
        await using var next = PostgresStore.Open(database.Options, new TestTime(), newer);
        await using var older = database.Open();

        Assert.Equal((false, false, true), (running.IsAhead, next.IsAhead, older.IsAhead));
        Assert.Contains(older.Warnings, warning => warning.Contains($"the store has schema {known + 1} of a newer KeyService; this one knows up to {known}", StringComparison.Ordinal));
        foreach (var store in new[] { running, next, older })
        {
            Assert.True((await store.ProbeAsync(CancellationToken.None)).Healthy);
            await store.CommitAsync(new(Server.Audit.AuditEvent.StatusRead), null, CancellationToken.None);
        }

        await using (var reader = PostgresStore.Open(database.Options with { Mode = StoreMode.ReadOnly }, new TestTime()))
        {
            Assert.True(reader.IsAhead);
        }

        // A step after it that says nothing is for servers that know it.
        Migration[] last = [.. newer, new Migration(known + 2, "last", "ALTER TABLE store_probe DROP COLUMN note")];
        await using (PostgresStore.Open(database.Options, new TestTime(), last))
        {
        }

        Assert.Contains($"newer KeyService (schema {known + 2}", Assert.Throws<StoreOpenException>(() => database.Open()).Message, StringComparison.Ordinal);
        Assert.True((await running.ProbeAsync(CancellationToken.None)).Healthy);
    }

    [Fact]
    public async Task What_steps_say_is_remembered_and_null_before_there_was_a_place_for_it()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using (database.Open())
        {
        }

        Assert.Equal(
            string.Join(',', Migrations.Postgres.Where(step => step.Version >= Migration.FirstThatSays).Select(step => $"{step.Version}:{step.OldestServer}")),
            await database.AskAsync<string>("SELECT string_agg(version || ':' || oldest_server, ',' ORDER BY version) FROM schema_version WHERE oldest_server IS NOT NULL"));
        await Assert.ThrowsAsync<PostgresException>(() => database.EditAsync("UPDATE schema_version SET oldest_server = version + 1"));
    }

    /// <summary>In the order that crosses the writers' own: they write the log first and its head then.</summary>
    [Fact]
    public async Task Steps_on_the_busiest_tables_cost_no_call_of_servers_at_work()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var store = database.Open();
        await using var other = database.Open();
        await using var load = new StoreLoad(store);
        await using var more = new StoreLoad(other, callers: 4, "other ");
        List<Migration> steps = [.. Migrations.Postgres];
        for (var column = 0; column < 8; column++)
        {
            steps.Add(Next(steps.Count, $"""
                ALTER TABLE integrity_key_blobs ADD COLUMN note_{column} TEXT;
                ALTER TABLE audit_heads ADD COLUMN note_{column} TEXT;
                ALTER TABLE audit_records ADD COLUMN note_{column} TEXT;
                ALTER TABLE row_changes ADD COLUMN note_{column} TEXT
                """));
            await load.ProgressAsync(20);
            using var owner = PostgresConnections.OpenForSchema(database.Options);
            Assert.Equal(steps.Count, PostgresSchema.Upgrade(owner, "the test's", steps, new TestTime()));
        }

        await load.ProgressAsync(20);
        await load.EndAsync();
        await more.EndAsync();
        Assert.Empty(load.Failures);
        Assert.Empty(more.Failures);
    }

    [Fact]
    public async Task A_step_that_waits_for_a_long_reader_lets_others_pass_and_tries_again()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        var known = Migrations.Postgres.Count;
        await using var running = database.Open();
        await using var reader = new NpgsqlConnection(server.ConnectionString(database.Name) + ";Search Path=keyservice");
        await reader.OpenAsync();
        await reader.ExecuteAsync("BEGIN; SELECT count(*) FROM store_probe");
        Migration[] newer = [.. Migrations.Postgres, Next(known, "ALTER TABLE store_probe ADD COLUMN note TEXT")];
        var upgrade = Task.Run(() =>
        {
            using var owner = PostgresConnections.OpenForSchema(database.Options);
            return PostgresSchema.Upgrade(owner, "the test's", newer, new TestTime());
        });
        const string Waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'keyservice.store_probe'::regclass AND mode = 'AccessExclusiveLock')";
        while (!await database.AskAsync<bool>(Waits))
        {
            await Task.Delay(5);
        }

        // It stands in line behind the step, and is served long before the reader ends.
        Assert.True((await running.ProbeAsync(CancellationToken.None)).Healthy);
        Assert.False(upgrade.IsCompletedSuccessfully);
        await reader.ExecuteAsync("COMMIT");
        Assert.Equal(known + 1, await upgrade);
    }

    [Fact]
    public async Task A_step_that_waits_in_vain_changes_nothing_and_says_for_what()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var running = database.Open();
        await using var reader = new NpgsqlConnection(server.ConnectionString(database.Name) + ";Search Path=keyservice");
        await reader.OpenAsync();
        await reader.ExecuteAsync("BEGIN; SELECT count(*) FROM store_probe");
        Migration[] newer = [.. Migrations.Postgres, Next(Migrations.Postgres.Count, "ALTER TABLE store_probe ADD COLUMN note TEXT")];
        var refusal = await Task.Run(() => Assert.Throws<StoreOpenException>(() => PostgresStore.Open(database.Options, new TestTime(), newer)));
        Assert.Contains("run it again when that session has ended", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(Migrations.Postgres.Count, await database.AskAsync<long>("SELECT max(version) FROM schema_version"));
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
        // row_changes and change_position list what the records say, the others where to look; they decide nothing.
        Assert.Equal(undecided, without.Except(["row_changes", "change_position", "bundle_versions", "audit_segments", "audit_terms", "audit_checkpoints", "audit_cosignatures", "audit_directory"]));
    }
    private static Migration Next(int known, string sql) =>
        new(known + 1, "more", $"-- Servers that know schema {known} or later work with this step.\n{sql}");
}
