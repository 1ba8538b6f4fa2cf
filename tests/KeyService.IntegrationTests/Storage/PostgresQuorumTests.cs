using KeyService.Server.Approvals;
using KeyService.Tests.Approvals;

namespace KeyService.IntegrationTests.Storage;

/// <summary>Quorums over PostgreSQL, where several servers share one store: an approval is used once between them.</summary>
public sealed class PostgresQuorumTests(PostgresFixture server) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task A_call_waits_for_two_officers_and_of_two_servers_at_once_one_runs_it()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var approvals = await ApprovalStore.OpenAsync(time => database.Open(time));
        await using var other = database.Open(approvals.Time);
        await approvals.InstallFirstAsync();
        for (var round = 0; round < 5; round++)
        {
            var request = ApprovalStore.NewRequest();
            var row = await approvals.AskAsync(request);
            await approvals.DecideAsync(approvals.Word(row, "alice"));
            await approvals.DecideAsync(approvals.Word(row, "bob"));
            var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => approvals.CallAsync(request, on: i % 2 == 0 ? approvals.Store : other)));
            Assert.All(answers, answer => Assert.True(answer.RestoredAccepted));
            Assert.Equal(round + 1, approvals.Runs);
            Assert.Equal(ApprovalState.Used, (await approvals.ReadAsync(row.IdText)).State);
        }
    }

    [Fact]
    public async Task A_roster_that_was_taken_away_is_missed()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var approvals = await ApprovalStore.OpenAsync(time => database.Open(time));
        await approvals.InstallFirstAsync();
        await database.EditAsync("DELETE FROM officer_rosters");
        await Assert.ThrowsAsync<KeyService.Server.Storage.StoreTamperedException>(() => approvals.CallAsync(ApprovalStore.NewRequest()));
        Assert.Equal(0, approvals.Runs);
    }
}
