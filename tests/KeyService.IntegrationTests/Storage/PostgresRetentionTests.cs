using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Tests.Audit.Retention;
using KeyService.Tests.Storage;
using Npgsql;

namespace KeyService.IntegrationTests.Storage;

public sealed class PostgresRetentionTests(PostgresFixture server) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task Months_are_archived_in_order_and_deleted_when_their_years_are_over()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        var time = new TestTime();
        time.Advance(RetentionContract.Begin - time.GetUtcNow());
        var directory = Directory.CreateTempSubdirectory("keyservice-retention-");
        try
        {
            await using var store = database.Open(time);
            await new RetentionContract(store, time, directory.FullName).RunAsync();
            Assert.Equal(0L, await database.AskAsync<long>("SELECT count(*) FROM pg_class WHERE relname IN ('audit_records_2019_10', 'audit_records_2019_11')"));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_record_that_a_clock_set_back_made_in_a_month_that_was_archived_keeps_the_month()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        var time = new TestTime();
        time.Advance(RetentionContract.Begin - time.GetUtcNow());
        var directory = Directory.CreateTempSubdirectory("keyservice-retention-");
        try
        {
            await using var store = database.Open(time);
            var months = new RetentionContract(store, time, directory.FullName);
            await months.LiveAsync();
            await months.RegisterAsync("2019-10");
            months.MoveTo(2019, 10, 30);
            await store.CommitAsync(new AuditRecordDraft(AuditEvent.FieldsDecrypted) { Principal = "late" }, null, CancellationToken.None);
            months.MoveTo(2026, 1, 4);
            await months.MarkDeletedAsync("2019-10");
            await months.Retention.SweepAsync(CancellationToken.None);
            Assert.Equal(1L, await database.AskAsync<long>("SELECT count(*) FROM pg_class WHERE relname = 'audit_records_2019_10'"));

            // Whatever the service says.
            var refused = await Assert.ThrowsAsync<PostgresException>(
                () => database.EditAsync($"SELECT drop_audit_partition({UnixTime.Nanoseconds(RetentionContract.Month("2019-10").Begin)})"));
            Assert.Contains("stands in no archive", refused.MessageText, StringComparison.Ordinal);
            Assert.Empty((await new AuditVerification(new AuditLog(store), store, SoftwareRows.Of()).RunAsync(CancellationToken.None)).Findings);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    /// <summary>A server whose clock was set forward, or that somebody took over, asks the database, which has a clock of its own.</summary>
    [Fact]
    public async Task The_database_itself_drops_nothing_that_is_younger_than_six_years()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        var time = new TestTime();
        await using var store = database.Open(time);
        await SoftwareRows.InstallAsync(store, SoftwareRows.Of());
        var young = TimeProvider.System.GetUtcNow().AddYears(-6).AddDays(1);
        foreach (var at in new[] { time.GetUtcNow(), young })
        {
            var refused = await Assert.ThrowsAsync<PostgresException>(() => database.EditAsync($"SELECT drop_audit_partition({UnixTime.Nanoseconds(at)})"));
            Assert.Contains("are kept for six years", refused.MessageText, StringComparison.Ordinal);
        }

        Assert.NotEqual(0L, await database.AskAsync<long>("SELECT count(*) FROM audit_records"));
    }
}
