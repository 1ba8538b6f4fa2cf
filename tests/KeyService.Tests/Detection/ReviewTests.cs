using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Detection;

public sealed class ReviewTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private SqliteStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public Task Findings_are_assigned_closed_and_signed_off() => new ReviewContract(_store, _rows, _time).CheckAsync();

    [Fact]
    public Task A_month_that_changes_while_it_is_signed_is_not_signed_off() => new ReviewContract(_store, _rows, _time).CheckChangedAsync();
}
