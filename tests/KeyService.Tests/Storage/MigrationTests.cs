using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using Microsoft.Data.Sqlite;

namespace KeyService.Tests.Storage;

public sealed class MigrationTests : IDisposable
{
    private readonly StoreFile _file = new();

    public void Dispose() => _file.Dispose();

    /// <summary>
    /// Only grows. A hash that changed means that a released step was edited: put it back and write the next step instead.
    /// </summary>
    [Fact]
    public void Released_migrations_never_change()
    {
        Assert.Equal(
            [
                "1 initial ab76cddbf3c61c7d1f776aee469c182671443e0e84ab3c64f37085a2c5d09dac",
                "2 lifecycle 020b588ba5c63954be2b882b22b4e432465d0e541e520a4d35e11aa443466776",
                "3 alarms ff3ac8fa604ec33e71bf8f723f6054866e99d0c86880130d76979ef8f22fcdf9",
                "4 backups e0f817c4e0fa3003e26283129546133d9065b027624261b0be245746f358b60a",
                "5 holdings dc77f2380a930f26fccef1afea1faae0ffbe5b947d1ffce297c6c9b3138dc332",
                "6 changes 45970810e6957e54045a32a3a88ebad0d6fedf665d310e1fc72857c58d92ad86",
            ],
            Migrations.Sqlite.Select(each => $"{each.Version} {each.Name} {Convert.ToHexStringLower(each.Digest)}"));
        string[] postgres =
            [
                "1 initial a80195db0a34e176ab7f10afaa22760d207fb8b1a99025249f67a48c48a7cc35",
            ];
        Assert.Equal(
            postgres, Migrations.Postgres.Take(postgres.Length).Select(each => $"{each.Version} {each.Name} {Convert.ToHexStringLower(each.Digest)}"));
        Assert.Equal(Migrations.Sqlite.Select(each => each.Name), Migrations.Postgres.Select(each => each.Name));
    }

    [Fact]
    public async Task A_store_of_an_older_version_is_brought_forward_and_keeps_its_rows()
    {
        await using (_file.Open())
        {
        }

        _file.Edit("INSERT INTO store_probe (id, probed_at) VALUES (1, 42)");
        Migration[] newer = [.. Migrations.Sqlite, new Migration(Migrations.Sqlite.Count + 1, "add-note", "ALTER TABLE store_probe ADD COLUMN note TEXT NOT NULL DEFAULT 'new'")];
        await using (SqliteStore.Open(_file.Options, new TestTime(), newer))
        {
        }

        Assert.Equal("42 new", _file.Ask<string>("SELECT probed_at || ' ' || note FROM store_probe"));
        Assert.Equal(newer.Length, _file.Ask<long>("SELECT max(version) FROM schema_version"));
        Assert.Throws<StoreOpenException>(() => _file.Open());
    }

    [Fact]
    public async Task A_step_that_fails_leaves_the_store_as_it_was()
    {
        await using (_file.Open())
        {
        }

        Migration[] broken = [.. Migrations.Sqlite, new Migration(Migrations.Sqlite.Count + 1, "broken", "CREATE TABLE half (id INTEGER); SELECT * FROM absent;")];
        Assert.Throws<StoreOpenException>(() => SqliteStore.Open(_file.Options, new TestTime(), broken));
        Assert.Equal(0L, _file.Ask<long>("SELECT count(*) FROM sqlite_schema WHERE name = 'half'"));
        await using var again = _file.Open();
        Assert.True((await again.ProbeAsync(CancellationToken.None)).Healthy);
    }

    [Fact]
    public async Task A_reader_does_not_bring_a_store_forward()
    {
        await using (_file.Open())
        {
        }

        Migration[] newer = [.. Migrations.Sqlite, new Migration(Migrations.Sqlite.Count + 1, "more", "CREATE TABLE more (id INTEGER)")];
        var refusal = Assert.Throws<StoreOpenException>(
            () => SqliteStore.Open(_file.Options with { Mode = StoreMode.ReadOnly }, new TestTime(), newer));
        Assert.Contains("start the server once", refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>Every table that decides something carries both columns, so that none is forgotten when a step adds one.</summary>
    [Fact]
    public async Task Deciding_tables_carry_revision_and_mac()
    {
        await using (_file.Open())
        {
        }

        using var connection = new SqliteConnection($"Data Source={_file.Path};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText =
            """
            SELECT name FROM sqlite_schema AS tables WHERE type = 'table'
            AND (SELECT count(*) FROM pragma_table_info(tables.name) WHERE name IN ('revision', 'mac')) < 2 ORDER BY name
            """;
        var without = new List<string>();
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            without.Add(reader.GetString(0));
        }

        // Records have their hashes and marks; what bundle_versions says, segments prove; blobs authenticate themselves; a register's state counts
        // revisions and has its MAC; the feed of changes says only what to read again.
        Assert.Equal(
            [
                "audit_records", "bundle_versions", "change_position", "integrity_key_blobs", "register_state", "row_changes", "schema_version",
                "store_probe",
            ],
            without);
    }
}
