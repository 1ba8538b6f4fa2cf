using KeyService.IntegrationTests.Hsm;
using KeyService.IntegrationTests.Storage;
using KeyService.Server.Detection;
using KeyService.Tests.AccessReviews;
using KeyService.Tests.Storage;

namespace KeyService.IntegrationTests.AccessReviews;

/// <summary>The contract over PostgreSQL.</summary>
public sealed class PostgresAccessReviewTests(PostgresFixture server) : IClassFixture<PostgresFixture>
{
    [Fact]
    public Task A_review_is_started_attested_reassigned_and_closed() => RunAsync(contract => contract.CheckAsync());

    [Fact]
    public Task What_nobody_attested_is_suspended_at_the_deadline() => RunAsync(contract => contract.CheckDeadlineAsync());

    private async Task RunAsync(Func<AccessReviewContract, Task> check)
    {
        var database = await PostgresDatabase.MakeAsync(server);
        var time = new TestTime();
        await using var store = database.Open(time: time);
        var rows = SoftwareRows.Of();
        await SoftwareRows.InstallAsync(store, rows);
        using var bed = await AccessReviewBed.MakeAsync(store, rows, time);
        await check(new AccessReviewContract(bed));
    }
}

/// <summary>The contract with results that a real token signs; the clock is the test's.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class TokenAccessReviewTests(SoftHsmDirectory softHsm) : IClassFixture<SoftHsmDirectory>
{
    [Fact]
    public Task A_review_is_started_attested_reassigned_and_closed() => RunAsync(contract => contract.CheckAsync());

    [Fact]
    public Task What_nobody_attested_is_suspended_at_the_deadline() => RunAsync(contract => contract.CheckDeadlineAsync());

    private async Task RunAsync(Func<AccessReviewContract, Task> check)
    {
        using var file = new StoreFile();
        var time = new TestTime();
        await using var token = await softHsm.OpenWithHierarchyAsync();
        await using var store = file.Open(time);
        var rows = SoftwareRows.Of();
        await SoftwareRows.InstallAsync(store, rows);
        using var bed = await AccessReviewBed.MakeAsync(store, rows, time, ReviewSigner.Of(token));
        await check(new AccessReviewContract(bed));
    }
}
