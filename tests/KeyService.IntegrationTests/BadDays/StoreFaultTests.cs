using Microsoft.Data.Sqlite;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>
/// The disk under the running server fails and comes back. Nothing is answered unrecorded meanwhile, calls say why, health says why, the
/// server goes on by itself afterwards, and everything it ever answered holds.
/// </summary>
public sealed class StoreFaultTests(FaultyDiskService faulty) : IClassFixture<FaultyDiskService>
{
    [Fact]
    public Task A_full_disk() => faulty.SurvivesAsync(() => faulty.Disk.Full = true, () => faulty.Disk.Full = false, "the disk is full");

    [Fact]
    public Task A_failing_fsync() => faulty.SurvivesAsync(
        () => faulty.Disk.SyncError = DiskFaults.InputOutputError, () => faulty.Disk.SyncError = 0, "the disk reports an I/O error");

    [Fact]
    [Trait("Duration", "long")]
    public Task A_full_disk_that_shows_at_fsync() => faulty.SurvivesAsync(
        () => faulty.Disk.SyncError = DiskFaults.NoSpace, () => faulty.Disk.SyncError = 0, "the disk reports an I/O error");

    [Fact]
    [Trait("Duration", "long")]
    public Task Writes_that_fail() => faulty.SurvivesAsync(
        () => faulty.Disk.WriteError = DiskFaults.InputOutputError, () => faulty.Disk.WriteError = 0, "the disk reports an I/O error");

    [Fact]
    public async Task A_lock_that_another_process_holds()
    {
        using var other = new SqliteConnection($"Data Source={faulty.Service.StorePath};Pooling=False");
        other.Open();
        await faulty.SurvivesAsync(() => Execute("BEGIN IMMEDIATE"), () => Execute("ROLLBACK"), "another program holds a lock on the file");

        void Execute(string sql)
        {
            using var command = other.CreateCommand();
            command.CommandText = sql;
            command.ExecuteNonQuery();
        }
    }

    [Fact]
    public async Task Reads_that_fail_are_refused_and_read_again_afterwards()
    {
        // A start reads the store; a server that cannot says so in one line, and the next start works.
        await faulty.Service.StopAsync();
        faulty.Disk.ReadError = DiskFaults.InputOutputError;
        var refused = await Executables.RunServerAsync(
            ["serve", "--config", faulty.Service.ConfigPath], faulty.Service.ServerEnvironment, faulty.Service.Directory);
        Assert.Contains("the disk reports an I/O error", refused.ExpectExit(5).Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", refused.Error, StringComparison.Ordinal);
        faulty.Disk.ReadError = 0;
        await faulty.Service.StartAsync();
    }

    [Fact]
    public async Task A_slow_disk_makes_calls_slow_and_shared_syncs_keep_them_going()
    {
        using var health = new HealthChannel(faulty.Service);
        await health.BecomesAsync(ServingStatus.Serving);
        var before = (await AuditLogOnDisk.ReadAsync(faulty.Service.StorePath)).Count;
        var workload = new Workload(faulty.Service, "bad-day", seed: 7);
        var syncs = faulty.Disk.Syncs;
        faulty.Disk.SyncDelay = 100;
        using (var stop = new CancellationTokenSource())
        {
            var calling = workload.RunAsync(callers: 48, stop.Token);
            await Until.TrueAsync(() => workload.Answered.Count >= 300, "answers");
            await stop.CancelAsync();
            await calling;
        }
        syncs = faulty.Disk.Syncs - syncs;
        faulty.Disk.SyncDelay = 0;

        // Many records shared a sync; nobody was refused.
        Assert.Empty(workload.Failures);
        Assert.InRange(syncs, 1, workload.Answered.Count / 3);
        await faulty.HoldsAsync(workload, before);
    }

    [Fact]
    [Trait("Duration", "long")]
    public Task A_sync_that_hangs() => faulty.SurvivesHangAsync();
}
