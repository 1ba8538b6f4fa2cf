using KeyService.IntegrationTests.Hsm;
using KeyService.IntegrationTests.Rotation;
using KeyService.Server.Audit;
using KeyService.Server.Trust;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.IntegrationTests.Trust;

/// <summary>Rows of real keys, edited, copied, deleted and put back with MACs that were right: each is found by the scrub.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class KeyRowsTests(SoftHsmDirectory softHsm) : IClassFixture<SoftHsmDirectory>, IAsyncLifetime
{
    private RotationInProcess _service = null!;
    private string _path = "";
    private string _scrub = "";

    public async ValueTask InitializeAsync()
    {
        _service = await RotationInProcess.StartAsync(softHsm);
        await _service.Keys.CreateAsync("trust/one");
        await _service.Keys.CreateAsync("trust/two");
        await _service.SettleAsync();
        _path = await _service.Keys.Store.ReadAsync(connection => Task.FromResult(connection.DataSource), default);
        _scrub = _path + "-scrub";
        foreach (var table in Tables)
        {
            Edit($"CREATE TABLE old_{table} AS SELECT * FROM {table}");
        }

        await _service.Keys.RotateAsync("trust/one");
        await _service.SettleAsync();
        Assert.Empty((await ScrubAsync()).Findings);
    }

    public async ValueTask DisposeAsync() => await _service.DisposeAsync();

    private static IReadOnlyList<string> Tables { get; } = ["keys", "key_versions", "key_blobs", "bulk_keys", "wrap_counts", "key_transitions"];

    [Theory]
    [InlineData("keys", "UPDATE keys SET purpose = 2 WHERE name = 'trust/two'", "not what the service wrote")]
    [InlineData("keys", "DELETE FROM keys WHERE name = 'trust/two'", "missing")]
    [InlineData("keys", "DELETE FROM keys; INSERT INTO keys SELECT * FROM old_keys", "it was put back")]
    [InlineData("key_versions", "UPDATE key_versions SET activated_at = activated_at + 1 WHERE activated_at IS NOT NULL", "not what the service wrote")]
    [InlineData("key_versions", "DELETE FROM key_versions WHERE activated_at IS NULL", "missing")]
    [InlineData("key_versions", "DELETE FROM key_versions; INSERT INTO key_versions SELECT * FROM old_key_versions", "it was put back")]
    [InlineData("key_versions", "UPDATE key_versions SET id = id + 1", "the row is missing")]
    [InlineData("key_blobs", "UPDATE key_blobs SET blob = zeroblob(41)", "not what the service wrote")]
    [InlineData("key_blobs", "DELETE FROM key_blobs WHERE token_id LIKE 'backup:%'", "missing")]
    [InlineData("key_blobs", "DELETE FROM key_blobs; INSERT INTO key_blobs SELECT * FROM old_key_blobs", "missing")]
    [InlineData("bulk_keys", "UPDATE bulk_keys SET wrapped = zeroblob(69)", "not what the service wrote")]
    [InlineData("bulk_keys", "DELETE FROM bulk_keys", "missing")]
    [InlineData("wrap_counts", "UPDATE wrap_counts SET reserved = 0", "not what the service wrote")]
    [InlineData("wrap_counts", "DELETE FROM wrap_counts", "missing")]
    [InlineData("key_transitions", "UPDATE key_transitions SET reason = 'none'", "not what the service wrote")]
    [InlineData("key_transitions", "DELETE FROM key_transitions", "missing")]
    public async Task What_was_done_to_rows_of_keys_is_found(string table, string sql, string finding)
    {
        Edit($"PRAGMA foreign_keys = OFF; {sql}");
        Assert.Contains((await ScrubAsync()).Findings, each => each.Table == table && each.Finding.Contains(finding, StringComparison.Ordinal));
    }

    [Fact]
    public async Task After_an_accepted_restore_every_version_that_was_active_is_rotated()
    {
        var before = await ActiveAsync();
        var rotation = new RestoreRotation(_service.Keys.Store, _service.Keys.Rows, _service.Keys.Changes, _service.Time, NullLogger<RestoreRotation>.Instance);
        Assert.Equal(0, await rotation.LookAsync(default));
        _service.Time.Pass(TimeSpan.FromMinutes(1));
        await _service.Keys.Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.StoreAccepted),
            transaction => new StoreAcceptance(StoreAcceptance.NewId(), transaction.Time, "officer", "restored", [], true, null).InsertAsync(transaction, _service.Keys.Rows),
            default);
        Assert.Equal(2, await rotation.LookAsync(default));
        Assert.Equal(0, await rotation.LookAsync(default));
        await _service.SettleAsync();
        Assert.Empty(before.Intersect(await ActiveAsync()));
        Assert.Empty((await ScrubAsync()).Findings);
        rotation.Dispose();
    }

    private async Task<List<ulong>> ActiveAsync()
    {
        var active = new List<ulong>();
        foreach (var name in new[] { "trust/one", "trust/two" })
        {
            active.Add((await _service.Keys.Ring.FindAsync(name, default))!.Primary.Id.Value);
        }

        return active;
    }

    private Task<ScrubReport> ScrubAsync() =>
        new Scrub(_service.Keys.Store, _service.Keys.Rows, DecidingTables.All, _scrub, _service.Time).RunAsync(keep: true, default);

    private void Edit(string sql)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = _path, Pooling = false }.ToString());
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
