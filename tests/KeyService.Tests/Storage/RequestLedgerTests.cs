using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;

namespace KeyService.Tests.Storage;

public sealed class RequestLedgerTests : IAsyncDisposable
{
    private const string Id = "6f1c2b9e-0000-4000-8000-000000000001";

    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly SqliteStore _store;
    private readonly RequestLedger _ledger = new(SoftwareRows.Of());
    private readonly byte[] _digest = [.. Enumerable.Repeat((byte)1, 32)];

    public RequestLedgerTests() => _store = _file.Open(_time);

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task A_request_seen_for_the_first_time_is_new_and_then_repeated_with_its_answer()
    {
        Assert.Equal(RequestFinding.New, (await FindAsync("alice", "/Rotate", _digest)).Finding);
        await RememberAsync("alice", [1, 2, 3]);
        var (finding, response) = await FindAsync("alice", "/Rotate", _digest);
        Assert.Equal(RequestFinding.Repeated, finding);
        Assert.Equal([1, 2, 3], response);
    }

    [Fact]
    public async Task The_same_id_with_another_request_or_method_is_reused_and_with_another_principal_new()
    {
        await RememberAsync("alice", [1]);
        Assert.Equal(RequestFinding.Reused, (await FindAsync("alice", "/Rotate", new byte[32])).Finding);
        Assert.Equal(RequestFinding.Reused, (await FindAsync("alice", "/Create", _digest)).Finding);
        Assert.Equal(RequestFinding.New, (await FindAsync("bob", "/Rotate", _digest)).Finding);
    }

    [Fact]
    public async Task After_24_hours_it_is_forgotten_and_swept_by_the_next()
    {
        await RememberAsync("alice", [1]);
        _time.Advance(RequestLedger.Retention - TimeSpan.FromTicks(1));
        Assert.Equal(RequestFinding.Repeated, (await FindAsync("alice", "/Rotate", _digest)).Finding);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(RequestFinding.New, (await FindAsync("alice", "/Rotate", _digest)).Finding);
        await RememberAsync("alice", [2]);
        Assert.Equal(1L, _file.Ask<long>("SELECT count(*) FROM requests"));
    }

    [Fact]
    public async Task An_answer_edited_in_the_database_is_not_given()
    {
        await RememberAsync("alice", [1]);
        _file.Edit("UPDATE requests SET response = x'02'");
        var finding = await Assert.ThrowsAsync<StoreTamperedException>(() => FindAsync("alice", "/Rotate", _digest));
        Assert.Equal(("requests", Id), (finding.Table, finding.RowId));
    }

    private async Task<(RequestFinding Finding, byte[] Response)> FindAsync(string principal, string method, byte[] digest)
    {
        (RequestFinding, byte[]) found = default;
        await _store.CommitAsync(
            new AuditRecordDraft(AuditEvent.StatusRead),
            async transaction => found = await _ledger.FindAsync(transaction, principal, Id, method, digest), CancellationToken.None);
        return found;
    }

    private Task RememberAsync(string principal, byte[] response) => _store.CommitAsync(
        new AuditRecordDraft(AuditEvent.StatusRead),
        transaction => _ledger.RememberAsync(transaction, principal, Id, "/Rotate", _digest, response), CancellationToken.None);
}
