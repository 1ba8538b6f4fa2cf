using KeyService.Tests.Audit.Search;
using KeyService.Tests.Storage;

namespace KeyService.IntegrationTests.Storage;

public sealed class PostgresAuditSearchTests(PostgresFixture server) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task It_finds_what_a_look_at_every_record_finds_whether_the_index_is_there_or_not()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var store = database.Open();
        await AuditSearchContract.FillAsync(store);
        await AuditSearchContract.CheckAsync(store);
        await AuditSearchContract.IndexAsync(store, new TestTime());
        await AuditSearchContract.CheckAsync(store);
    }
}
