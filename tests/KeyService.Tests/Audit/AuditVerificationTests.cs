using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Audit;

/// <summary>A log with 12 records, the first ones marked, and hands in the database.</summary>
public sealed class AuditVerificationTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();

    public async ValueTask InitializeAsync()
    {
        await using var store = _file.Open(_time);
        await SoftwareRows.InstallAsync(store, _rows);
        await AppendAsync(store, 6);
        using (var marker = Marker(store))
        {
            // Covers records 0 to 6; its own record is number 7.
            await marker.MarkAsync(CancellationToken.None);
        }

        await AppendAsync(store, 4);
    }

    public ValueTask DisposeAsync()
    {
        _file.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_log_that_nobody_touched_is_whole()
    {
        var report = await VerifyAsync();
        Assert.Empty(report.Findings);
        Assert.Equal((12L, 7L), (report.Records, report.MarkedSize));
    }

    [Theory]
    [InlineData("one record deleted", "DELETE FROM audit_records WHERE sequence = 9", 9, "1 records are missing")]
    [InlineData("several deleted", "DELETE FROM audit_records WHERE sequence IN (8, 9, 10)", 8, "3 records are missing")]
    [InlineData("the first deleted", "DELETE FROM audit_records WHERE sequence = 0", 0, "1 records are missing")]
    [InlineData("a record edited", "UPDATE audit_records SET record = CAST(replace(CAST(record AS TEXT), 'number', 'NUMBER') AS BLOB) WHERE sequence = 9", 9, "leaf hash")]
    [InlineData("a leaf hash edited", "UPDATE audit_records SET leaf_hash = zeroblob(32) WHERE sequence = 9", 9, "leaf hash")]
    [InlineData("a record replaced by another", "UPDATE audit_records SET (record, leaf_hash) = (SELECT record, leaf_hash FROM audit_records WHERE sequence = 8) WHERE sequence = 9", 9, "number 8 of slot 0")]
    [InlineData("something else in its place", "UPDATE audit_records SET record = x'00' WHERE sequence = 9", 9, "not in canonical form")]
    [InlineData("cut below the mark", "DELETE FROM audit_records WHERE sequence >= 5", 5, "it was cut")]
    [InlineData("all deleted", "DELETE FROM audit_records", 0, "it was cut")]
    [InlineData("the mark deleted", "DELETE FROM audit_slots", 0, "audit_slots")]
    [InlineData("the mark moved back", "UPDATE audit_slots SET marked_size = 0, frontier = x''", 0, "audit_slots")]
    public async Task What_was_done_to_the_log_is_found_where_it_was_done(string what, string sql, long sequence, string finding)
    {
        Assert.NotEqual(0, _file.Edit(sql));
        var report = await VerifyAsync();
        Assert.True(
            report.Findings.Any(each => each.Sequence == sequence && each.Finding.Contains(finding, StringComparison.Ordinal)),
            $"{what}: {string.Join("; ", report.Findings)}");
    }

    [Fact]
    public async Task A_log_that_grows_and_is_marked_while_somebody_verifies_it_is_whole()
    {
        await using var server = _file.Open(_time);
        await using var inspector = SqliteStore.Open(_file.Options with { Mode = StoreMode.ReadOnly }, _time);
        await AppendAsync(server, 5);
        using var marker = Marker(server);
        await marker.MarkAsync(CancellationToken.None);
        var report = await new AuditVerification(new AuditLog(inspector), inspector, _rows).RunAsync(CancellationToken.None);
        Assert.Empty(report.Findings);
        Assert.Equal((18L, 17L), (report.Records, report.MarkedSize));
    }

    [Fact]
    public async Task A_forger_who_keeps_the_hashes_right_is_found_below_the_mark_and_not_above()
    {
        // Record 2 for record 3, renumbered and hashed as the service would: only the mark can tell.
        await ForgeAsync(3);
        Assert.Contains((await VerifyAsync()).Findings, each => each.Finding.Contains("not those that stood on", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Above_the_mark_a_careful_forger_is_not_found_which_is_what_checkpoints_are_for()
    {
        await ForgeAsync(9);
        Assert.Empty((await VerifyAsync()).Findings);
    }

    [Fact]
    public async Task The_service_does_not_start_on_a_log_that_was_cut_below_its_mark()
    {
        _file.Edit("DELETE FROM audit_records WHERE sequence >= 5");
        await using var store = _file.Open(_time);
        using var marker = Marker(store);
        var finding = await Assert.ThrowsAsync<StoreTamperedException>(() => marker.StartAsync(CancellationToken.None));
        Assert.Equal("audit_records", finding.Table);
    }

    [Fact]
    public async Task The_service_does_not_start_on_a_log_with_a_gap_above_its_mark()
    {
        _file.Edit("DELETE FROM audit_records WHERE sequence = 9");
        await using var store = _file.Open(_time);
        using var marker = Marker(store);
        await Assert.ThrowsAsync<StoreTamperedException>(() => marker.StartAsync(CancellationToken.None));
    }

    [Fact]
    public async Task Starting_and_stopping_marks_and_a_quiet_start_adds_nothing()
    {
        for (var run = 0; run < 2; run++)
        {
            await using var store = _file.Open(_time);
            using var marker = Marker(store);
            await marker.StartAsync(CancellationToken.None);
            await marker.StopAsync(CancellationToken.None);
            Assert.Equal(12, store.LastSequence);
        }

        var report = await VerifyAsync();
        Assert.Empty(report.Findings);
        Assert.Equal((13L, 12L), (report.Records, report.MarkedSize));
    }

    private static AuditRecordDraft Draft(int number) => new(AuditEvent.StatusRead) { Detail = $"number {number}" };

    private static async Task AppendAsync(IStore store, int count)
    {
        for (var i = 0; i < count; i++)
        {
            await store.CommitAsync(Draft(i), null, CancellationToken.None);
        }
    }

    private AuditMarker Marker(IStore store) => new(new AuditLog(store), store, _rows, _time, NullLogger<AuditMarker>.Instance);

    private async Task<AuditReport> VerifyAsync()
    {
        await using var store = _file.Open(_time);
        return await new AuditVerification(new AuditLog(store), store, _rows).RunAsync(CancellationToken.None);
    }

    private Task ForgeAsync(long sequence)
    {
        var record = AuditEncoding.Encode(Draft(666), 0, sequence, _time.GetUtcNow());
        _file.Edit($"""
            UPDATE audit_records SET record = x'{Convert.ToHexString(record)}', leaf_hash = x'{Convert.ToHexString(KeyService.Crypto.AuditRecord.LeafHash(record))}'
            WHERE sequence = {sequence}
            """);
        return Task.CompletedTask;
    }
}
