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
                "7 oldest-servers f0a11a69c5701312387ac9be210542d1b866f72eb6d4a1b4fb1251099a697fe1",
                "8 audit-index c3f957c8818def56d1f284ff6b3993f483f0ec7659914ac113e10c05138a06e2",
                "9 checkpoints 13f2d48bc621884be29d66905715eb720a5b15b554536beb9024210a148c6fee",
                "10 sessions d9733c1e8fa97c313c2c323501c9471fc486dab1f7b35294a7995a3bcfcd7e12",
                "11 places f4ae5b8c6541be89696dd117813bc48e3f57775350ce9291d321e6c64bda4521",
                "12 approvals c8951c4739748c763037622bceb7de832a72440fd62b5be672bf51a875b6fb2a",
                "13 retention 91226727abbc0f2a27795535ce1f9fc802f91a4045d2df31324b4c698b485e0c",
                "14 quotas a7af09867ef806ca75f495c6ef09c8122f61c3e139e35e8f9076db09e9954d81",
                "15 cosignatures 5fc40ac141ab7661c4367d6af5eecb3f4ffe30555c6af4f8ea93dc59f07bc87c",
                "16 break-glass da55424588130b87f96187b18c78371de009e4129f0369361d8e999fe9555542",
                "17 audit-sinks 9ddfc6777a47185908e605747a965f3c6f1041562d892f0921c50abf63b7190c",
                "18 detection 7d05632a5c1a89d9c171911a7beb71169293dfda0dea10783482e200988ccff1",
                "19 access-reviews 7ae17e2627f77dc3e042405b45e2b0154a49af2526a1836ab1d55f0b661754eb",
                "20 restorations 62ce90813b35519576e1aadf98a40d310db54dbe9858bbb3ea450ea4175d000f",
                "21 ceremonies 259eee8c2ded8e8e3118fe6cce1b9b0cf850f8e52e0ca1a25bbf70d73b664272",
            ],
            Migrations.Sqlite.Select(each => $"{each.Version} {each.Name} {Convert.ToHexStringLower(each.Digest)}"));
        Assert.Equal(
            [
                "1 initial a80195db0a34e176ab7f10afaa22760d207fb8b1a99025249f67a48c48a7cc35",
                "2 lifecycle 4fc769a002aabc05189bee035ef1b6e78a33c798efddd405b431e6dcddaf1153",
                "3 alarms 7a4176550b084b788d4f22bedb081fb6ebf3acd4726c1c090508a86017c0659d",
                "4 backups 8dc7b7bf88bd86c8dac759bf02b836636084148aad71c073e511809f11623943",
                "5 holdings e965b8fc10f63593a89514e3a92233380bdc94c940640acedf20e91baee55e50",
                "6 changes 620b93d1f1615bf37d65525fd1a036def387d53aa695c0b1027a150d69d9cb0a",
                "7 oldest-servers 8e3f97d9b09bb7cb8ca375735f084ecf25bb959195873c8f8cea56c0b3d09021",
                "8 audit-index 39a2e85e5e475f52c86bd678c510247c50610ed649650b31a7d191603b7c975d",
                "9 checkpoints 87f07ca9c12ca7925d377a632bf7b9408458939d84fa229b2b538c29da201228",
                "10 sessions d01909990e10da5dc194dd36592520f519a9aefacbce857586bd39e367a67319",
                "11 places b4b5aa5322875cafc4438a0971ecaf49edb82355fb5d964a7fd81e77b42e1353",
                "12 approvals a7b4ab0d13b0f003d92f1462e5fe18172bc281dfb475f786ae09637727fc3699",
                "13 retention 72f0685d4043b1205fccfc99be5308628f90f61a52c67ea0e3d8734c5fb750ae",
                "14 quotas f0dcbba293cd3325ff6e516ee7cf3922f55d7b0900671d0102d34c2a6dc37e4b",
                "15 cosignatures 2ad5dc5bc3f1fe6fa194f79e9309044e03028dadea34537b96bdfd5a98fe45f2",
                "16 break-glass c5dc4d56225418e33f2094cee5df191e0b4fb18daf256d89996b986e354904f7",
                "17 audit-sinks 3d999a38f1bfca10075321d49639cefe3daef3c419083e2674e3bef43e386fdb",
                "18 detection 1aad97b7bacac18f01e3df55a3e6dd5f64bb8203d5bb13248ce81eed14cdf519",
                "19 access-reviews 35268b2c78791439cb551e4ed8f82dbf3cfab98a0d118db557a90672aa47e6be",
                "20 restorations 73fa68d49cbabb49e8f9144e85857e725395400ee2591a0a50ed968213e42a6d",
                "21 ceremonies a7fd77c89851f4f597eac87fa7e7d10f6811de1a1f5e5f5630e32235d7e83b28",
            ],
            Migrations.Postgres.Select(each => $"{each.Version} {each.Name} {Convert.ToHexStringLower(each.Digest)}"));
        Assert.Equal(Migrations.Sqlite.Select(Facts), Migrations.Postgres.Select(Facts));

        static (string, int) Facts(Migration step) => (step.Name, step.OldestServer);
    }

    [Theory]
    [InlineData("-- Servers that know schema 7 or later work with this step.\nCREATE TABLE more (id INTEGER)", 7)]
    [InlineData("-- Servers that know schema 9 or later work with this step.", 9)]
    [InlineData("-- A table of more.\n-- Servers that know schema 7 or later work with this step.\nCREATE TABLE more (id INTEGER)", null)]
    [InlineData("CREATE TABLE more (id INTEGER)", null)]
    [InlineData("", null)]
    public void The_first_line_of_a_step_says_which_servers_work_with_it(string sql, int? oldest)
    {
        Assert.Equal(oldest, Migration.Said(sql));
        Assert.Equal(oldest ?? 9, new Migration(9, "more", sql).OldestServer);
    }

    [Theory]
    [InlineData("-- Servers that know schema 07 or later work with this step.\n")]
    [InlineData("-- Servers that know schema 7 or later work with this step. Really.\n")]
    [InlineData("-- Servers that know schema 7 or later work with this step\n")]
    [InlineData("-- Servers that know schema 7 or later work with this step.\r\n")]
    [InlineData("-- servers of schema 7 do\n")]
    public void What_nearly_says_it_is_refused(string sql) => Assert.Throws<InvalidOperationException>(() => Migration.Said(sql));

    [Fact]
    public async Task An_older_server_works_with_a_newer_store_whose_steps_say_so()
    {
        var next = Migrations.Sqlite.Count + 1;
        Migration[] newer =
        [
            .. Migrations.Sqlite,
            new Migration(next, "add-note", $"-- Servers that know schema {next - 1} or later work with this step.\nALTER TABLE store_probe ADD COLUMN note TEXT"),
        ];
        await using (var store = SqliteStore.Open(_file.Options, new TestTime(), newer))
        {
            Assert.False(store.IsAhead);
            Assert.Empty(store.Warnings);
        }

        foreach (var mode in new[] { StoreMode.ReadWrite, StoreMode.ReadOnly })
        {
            await using var older = SqliteStore.Open(_file.Options with { Mode = mode }, new TestTime());
            Assert.True(older.IsAhead);
            Assert.Contains($"the store has schema {next} of a newer KeyService; this one knows up to {next - 1}", Assert.Single(older.Warnings), StringComparison.Ordinal);
            Assert.Equal(mode == StoreMode.ReadWrite, (await older.ProbeAsync(CancellationToken.None)).Healthy);
        }

        Assert.Equal(next, _file.Ask<long>("SELECT max(version) FROM schema_version"));
        await using var again = SqliteStore.Open(_file.Options, new TestTime(), newer);
        Assert.False(again.IsAhead);
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

        // Checkpoints are signed, the directory has its own; records have their hashes and marks, and the index over them says only where to look; what bundle_versions says, segments prove; blobs authenticate themselves; a register's state counts
        // revisions and has its MAC; the feed of changes says only what to read again.
        Assert.Equal(
            [
                "audit_checkpoints", "audit_cosignatures", "audit_directory", "audit_records", "audit_segments", "audit_terms", "bundle_versions", "change_position", "integrity_key_blobs", "register_state", "row_changes", "schema_version",
                "store_probe",
            ],
            without);
    }
}
