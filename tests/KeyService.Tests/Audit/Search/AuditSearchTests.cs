using KeyService.Server.Audit;
using KeyService.Server.Audit.Search;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Audit.Search;

public sealed class AuditSearchTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private SqliteStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await AuditSearchContract.FillAsync(_store);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task It_finds_what_a_look_at_every_record_finds_whether_the_index_is_there_or_not()
    {
        await AuditSearchContract.CheckAsync(_store);
        await AuditSearchContract.IndexAsync(_store, _time);
        Assert.Equal(2L, _file.Ask<long>("SELECT COUNT(*) FROM audit_segments"));
        await AuditSearchContract.CheckAsync(_store);
    }

    [Fact]
    public async Task An_index_whose_last_segment_was_not_finished_is_finished_later()
    {
        await AuditSearchContract.IndexAsync(_store, _time);
        _file.Edit("DELETE FROM audit_segments WHERE segment = 1");
        await AuditSearchContract.CheckAsync(_store);
        await AuditSearchContract.IndexAsync(_store, _time);
        Assert.Equal(2L, _file.Ask<long>("SELECT COUNT(*) FROM audit_segments"));
        await AuditSearchContract.CheckAsync(_store);
    }

    [Theory]
    [InlineData("DELETE FROM audit_records WHERE sequence = 17", "audit_records")]
    [InlineData("UPDATE audit_records SET leaf_hash = zeroblob(32) WHERE sequence = 17", "audit_records")]
    [InlineData("UPDATE audit_terms SET postings = x'0012' WHERE term = 'ehr/rare' AND segment = 0", "audit_terms")]
    [InlineData("UPDATE audit_terms SET postings = x'00120011' WHERE term = 'ehr/rare' AND segment = 0", "audit_terms")]
    public async Task What_the_index_leads_to_is_verified(string edit, string table)
    {
        await AuditSearchContract.IndexAsync(_store, _time);
        Assert.True(_file.Edit(edit) > 0);
        var refused = await Assert.ThrowsAsync<StoreTamperedException>(() => AuditSearchContract.AnsweredAsync(_store, AuditSearchContract.Ask(key: "ehr/rare"), 100));
        Assert.Equal(table, refused.Table);
    }

    [Fact]
    public async Task A_page_that_has_read_enough_ends_and_the_next_goes_on()
    {
        var search = new AuditSearch(_store, SoftwareRows.Of());
        var question = AuditSearchContract.Ask(principal: "nobody");
        var budget = new SearchBudget(records: 2500, looks: 10);
        var walk = new SlotWalk(_store, question, 0, 0, 10_000);
        await walk.FillAsync(budget, CancellationToken.None);
        Assert.True(budget.IsSpent);
        Assert.Equal((7000L, false, (LoggedRecord?)null), (walk.Below, walk.IsAtItsEnd, walk.Next));
        var page = await search.PageAsync(question, new Dictionary<int, long> { [0] = walk.Below }, 10, CancellationToken.None);
        Assert.True(page.IsLast);
        Assert.Empty(page.Hits);
    }
}
