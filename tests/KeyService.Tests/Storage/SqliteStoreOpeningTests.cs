using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;

namespace KeyService.Tests.Storage;

/// <summary>What an operator meets: each refusal names the file and says what to do.</summary>
public sealed class SqliteStoreOpeningTests : IDisposable
{
    private readonly StoreFile _file = new();

    public void Dispose() => _file.Dispose();

    [Fact]
    public async Task A_second_server_on_the_same_file_is_refused_and_told_who_has_it()
    {
        await using (var first = _file.Open())
        {
            var refusal = Assert.Throws<StoreOpenException>(() => _file.Open());
            Assert.Contains(_file.Path, refusal.Message, StringComparison.Ordinal);
            Assert.Contains($"in use by another process (process {Environment.ProcessId})", refusal.Message, StringComparison.Ordinal);
        }

        await using var next = _file.Open();
        Assert.True((await next.ProbeAsync(CancellationToken.None)).Healthy);
    }

    [Fact]
    public async Task A_reader_beside_a_running_server_sees_its_records_and_writes_none()
    {
        await using var server = _file.Open();
        await server.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead), null, CancellationToken.None);
        await using var reader = SqliteStore.Open(_file.Options with { Mode = StoreMode.ReadOnly }, new TestTime());
        Assert.Equal(0, reader.LastSequence);
        Assert.Single(await new AuditLog(reader).ReadAsync(0, 0, CancellationToken.None));
        var refusal = await Assert.ThrowsAsync<StoreUnavailableException>(
            () => reader.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead), null, CancellationToken.None));
        Assert.Contains("reading only", refusal.Message, StringComparison.Ordinal);
        Assert.False((await reader.ProbeAsync(CancellationToken.None)).Healthy);
    }

    [Fact]
    public void A_missing_file_is_not_made_by_serving()
    {
        var refusal = Assert.Throws<StoreOpenException>(() => SqliteStore.Open(_file.Options with { Mode = StoreMode.ReadWrite }, new TestTime()));
        Assert.Contains("keyservice init", refusal.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_file.Path));
    }

    [Fact]
    public async Task The_file_and_what_stands_beside_it_are_for_the_owner_only()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        await using var store = _file.Open();
        await store.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead), null, CancellationToken.None);
        foreach (var suffix in new[] { "", "-wal", "-shm", ".lock" })
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_file.Path + suffix));
        }
    }

    [Fact]
    public void A_file_that_is_no_database_is_refused()
    {
        File.WriteAllText(_file.Path, string.Concat(Enumerable.Repeat("not a database ", 1000)));
        var refusal = Assert.Throws<StoreOpenException>(() => _file.Open());
        Assert.Contains("not a SQLite database", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_database_of_another_program_is_refused_untouched()
    {
        _file.Edit("CREATE TABLE patients (id INTEGER PRIMARY KEY)");
        var before = File.ReadAllBytes(_file.Path);
        var refusal = Assert.Throws<StoreOpenException>(() => _file.Open());
        Assert.Contains("database of another program", refusal.Message, StringComparison.Ordinal);
        // Opening switches the journal mode in the header; no content is touched.
        Assert.Equal(1L, _file.Ask<long>("SELECT count(*) FROM sqlite_schema"));
        Assert.Equal(before.Length, new FileInfo(_file.Path).Length);
    }

    [Fact]
    public async Task A_damaged_file_is_refused()
    {
        await using (_file.Open())
        {
        }

        var bytes = File.ReadAllBytes(_file.Path);
        bytes.AsSpan(100, bytes.Length - 100).Fill(0xA5);
        File.WriteAllBytes(_file.Path, bytes);
        var refusal = Assert.Throws<StoreOpenException>(() => _file.Open());
        Assert.Contains("damaged", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_newer_schema_is_refused_and_names_both_versions()
    {
        await using (_file.Open())
        {
        }

        _file.Edit("INSERT INTO schema_version (version, name, digest, applied_at) VALUES (99, 'of-the-future', x'00', 0)");
        var refusal = Assert.Throws<StoreOpenException>(() => _file.Open());
        Assert.Contains("newer KeyService (schema 99", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_schema_step_that_is_not_ours_is_refused()
    {
        await using (_file.Open())
        {
        }

        _file.Edit("UPDATE schema_version SET digest = x'00' WHERE version = 1");
        var refusal = Assert.Throws<StoreOpenException>(() => _file.Open());
        Assert.Contains("schema step 1 (initial)", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_that_does_not_exist_is_told()
    {
        var path = Path.Combine(_file.Folder, "absent", "keyservice.db");
        var refusal = Assert.Throws<StoreOpenException>(() => SqliteStore.Open(_file.Options with { Path = path }, new TestTime()));
        Assert.Contains(path, refusal.Message, StringComparison.Ordinal);
    }
}
