using KeyService.Crypto;
using KeyService.Server.Alarms;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Alarms;

namespace KeyService.Tests.Storage;

/// <summary>Registers that a newer version brings begin once, on a store that an older one made, and cannot be made to begin again.</summary>
public sealed class RegisterBeginTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private SqliteStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open();
        await SoftwareRows.InstallAsync(_store, _rows);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task A_new_installation_has_them_all() => Assert.Empty(await BeginAsync());

    [Fact]
    public async Task On_an_older_store_they_begin_once_with_a_record()
    {
        await MakeOlderAsync();
        var last = _store.LastSequence;
        Assert.Contains("alarms", await BeginAsync());
        Assert.Equal(last + 1, _store.LastSequence);
        Assert.Empty(await BeginAsync());
        await Installation.VerifyAsync(_store, _rows, CancellationToken.None);
        var server = new AlarmServer(_store, _rows, new TestTime());
        await server.RaiseAsync();
        Assert.Equal(0, server.Book.UnwrittenCount);
    }

    [Fact]
    public async Task One_that_was_deleted_does_not_begin_again()
    {
        _file.Edit("DELETE FROM register_state WHERE register = 'alarms'");
        Assert.Empty(await BeginAsync());
        var server = new AlarmServer(_store, _rows, new TestTime());
        await Assert.ThrowsAsync<StoreTamperedException>(() => server.Book.RefreshAsync(CancellationToken.None));
    }

    [Fact]
    public async Task One_that_has_rows_before_it_begins_is_not_begun()
    {
        await MakeOlderAsync();
        _file.Edit(
            """
            INSERT INTO alarms (id, kind, subject, message, severity, raised_at, last_raised_at, repeats, revision, mac)
            VALUES (1, 1, 's', 'm', 1, 0, 0, 0, 1, zeroblob(32))
            """);
        await Assert.ThrowsAsync<StoreTamperedException>(BeginAsync);
    }

    [Fact]
    public async Task An_edited_row_of_the_installation_does_not_make_them_begin()
    {
        _file.Edit("UPDATE installation SET revision = 1");
        await Assert.ThrowsAsync<StoreTamperedException>(BeginAsync);
    }

    private Task<IReadOnlyList<string>> BeginAsync() => Installation.BeginRegistersAsync(_store, _rows, CancellationToken.None);

    // As the version before left it: the installation at revision 1, registers of the first generation only.
    private async Task MakeOlderAsync()
    {
        var createdAt = _file.Ask<long>("SELECT created_at FROM installation");
        var mac = await _rows.MacAsync(
            RowMac.Row("installation").AddInt64(1).AddBytes(new byte[16]).AddInt64(createdAt).AddInt64(1).ToArray(), CancellationToken.None);
        _file.Edit($"UPDATE installation SET revision = 1, mac = x'{Convert.ToHexString(mac)}'");
        _file.Edit("DELETE FROM register_state WHERE register NOT IN ('principals', 'grants', 'keys', 'approvals', 'audit_slots')");
    }
}
