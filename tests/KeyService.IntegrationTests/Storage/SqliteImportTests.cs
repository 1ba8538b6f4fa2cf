using Dapper;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;
using Npgsql;

namespace KeyService.IntegrationTests.Storage;

/// <summary>A SQLite store is copied into PostgreSQL, also when that takes two attempts.</summary>
public sealed class SqliteImportTests(PostgresFixture server) : IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private const int Records = 10_050;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("keyservice-import-");
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private SqliteStore _source = null!;
    private PostgresDatabase _database = null!;

    public async ValueTask InitializeAsync()
    {
        var time = new TestTime();
        _source = SqliteStore.Open(new SqliteStoreOptions { Path = Path.Combine(_directory.FullName, "store.db"), Mode = StoreMode.Create, QueueCapacity = Records }, time);
        await SoftwareRows.InstallAsync(_source, _rows);
        await Task.WhenAll(Enumerable.Range(0, Records - 2).Select(i => CommitAsync($"record {i}")));
        // Into the next month.
        time.Advance(TimeSpan.FromDays(20));
        await CommitAsync("last");
        _database = await PostgresDatabase.MakeAsync(server);
        using var connection = PostgresConnections.OpenForSchema(_database.Options);
        PostgresSchema.Upgrade(connection, "the test's", Migrations.Postgres, time);
    }

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Everything_is_there_and_verifies_and_the_log_goes_on()
    {
        using (var connection = PostgresConnections.OpenForSchema(_database.Options))
        {
            var import = new SqliteImport(_source, connection);
            Assert.Equal(Records, (await import.CopyAsync(CancellationToken.None))["audit_records"]);
            Assert.Equal(Records, (await import.VerifyAsync(CancellationToken.None))["audit_records"]);
        }

        await using var store = _database.Open();
        Assert.Equal((0, Records - 1L), (store.Slot, store.LastSequence));
        await Installation.VerifyAsync(store, _rows, CancellationToken.None);
        Assert.Empty((await new AuditVerification(new AuditLog(store), store, _rows).RunAsync(CancellationToken.None)).Findings);
        Assert.Equal(Records, (await store.CommitAsync(new(AuditEvent.StatusRead), null, CancellationToken.None)).Sequence);
        Assert.Equal(1, await _database.AskAsync<long>("SELECT count(*) FROM audit_records_2026_12"));
    }

    [Fact]
    public async Task An_import_that_was_interrupted_goes_on_and_is_no_store_before()
    {
        // The last part, one transaction, meets a row that stands in its way; the log before it is committed.
        await _database.EditAsync("INSERT INTO register_state (register, row_count, change_count, mac) VALUES ('grants', 0, 0, sha256(''))");
        using (var connection = PostgresConnections.OpenForSchema(_database.Options))
        {
            Assert.IsType<PostgresException>(await Record.ExceptionAsync(() => new SqliteImport(_source, connection).CopyAsync(CancellationToken.None)));
        }

        Assert.Equal(Records, await _database.AskAsync<long>("SELECT count(*) FROM audit_records"));
        Assert.Equal(0, await _database.AskAsync<long>("SELECT count(*) FROM installation"));
        Assert.Throws<StoreTamperedException>(() => _database.Open());

        await _database.EditAsync("DELETE FROM register_state; DELETE FROM audit_records WHERE sequence >= 10000");
        using (var connection = PostgresConnections.OpenForSchema(_database.Options))
        {
            var import = new SqliteImport(_source, connection);
            Assert.Equal(Records - 10_000, (await import.CopyAsync(CancellationToken.None))["audit_records"]);
            await import.VerifyAsync(CancellationToken.None);
            Assert.Empty(await import.CopyAsync(CancellationToken.None));
        }
    }

    [Theory]
    [InlineData("UPDATE principals SET disabled = 1")]
    [InlineData("DELETE FROM grants")]
    [InlineData("UPDATE audit_records SET record = 'x' WHERE sequence = 77")]
    [InlineData("DELETE FROM audit_records WHERE sequence = 10049")]
    public async Task A_copy_that_differs_is_found(string edit)
    {
        using var connection = PostgresConnections.OpenForSchema(_database.Options);
        var import = new SqliteImport(_source, connection);
        await import.CopyAsync(CancellationToken.None);
        await _database.EditAsync(edit);
        await Assert.ThrowsAsync<StoreTamperedException>(() => import.VerifyAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_database_that_a_server_uses_takes_no_import()
    {
        await using var store = _database.Open();
        using var connection = PostgresConnections.OpenForSchema(_database.Options);
        Assert.True((await Assert.ThrowsAsync<StoreOpenException>(() => new SqliteImport(_source, connection).CopyAsync(CancellationToken.None))).InUse);
    }

    private Task<CommitReceipt> CommitAsync(string detail) =>
        _source.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead) { Detail = detail, Automated = true }, null, CancellationToken.None);
}
