using KeyService.Server.Alarms;
using KeyService.Crypto.Logs;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Audit.Sinks;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Alarms;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Audit.Sinks;

public sealed class SinkFollowerTests : IAsyncLifetime
{
    private static readonly SinkConfiguration Configuration = new DirectorySinkConfiguration("copies", "/nowhere", 64, TimeSpan.FromMinutes(1));

    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private SqliteStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        await SinkBed.AppendAsync(_store, 5);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task Every_record_is_delivered_in_order_and_confirmed_when_its_time_has_come()
    {
        var sink = new FakeSink();
        var follower = Follow(sink);
        await SinkBed.DrainAsync(follower);
        Assert.Equal((1, 0), (sink.Sends, sink.Confirms));
        Assert.Equal((6L, 0L), (follower.Status!.Delivered, follower.Status.LagRecords));
        Assert.Empty(follower.Status.Row.Next);
        _time.Advance(TimeSpan.FromMinutes(1));
        await SinkBed.DrainAsync(follower);
        Assert.Equal(6, follower.Status.Row.Next[0]);
        Assert.Equal(_time.GetUtcNow(), follower.Status.Row.ConfirmedAt);
        Assert.Equal([0L, 1, 2, 3, 4, 5], sink.Confirmed.Select(each => each.Record.Entry.Sequence));
        Assert.Equal(AuditEvent.AuditSinkAdvanced, await LastEventAsync());
    }

    [Fact]
    public async Task Many_records_are_confirmed_without_waiting()
    {
        var sink = new FakeSink { Pace = new SinkPace(1000, long.MaxValue, TimeSpan.FromHours(1)) };
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => SinkBed.AppendAsync(_store, 125)));
        await SinkBed.DrainAsync(Follow(sink));
        Assert.Equal(2, sink.Confirms);
        Assert.Equal(Enumerable.Range(0, 2000).Select(each => (long)each), sink.Confirmed.Select(each => each.Record.Entry.Sequence));
    }

    /// <summary>Each confirmation is a record, and that alone is no reason for another one.</summary>
    [Fact]
    public async Task A_log_that_nobody_uses_comes_to_rest()
    {
        var first = Follow(new FakeSink());
        var second = Follow(new FakeSink(), "others");
        for (var i = 0; i < 10; i++)
        {
            await SinkBed.DrainAsync(first);
            await SinkBed.DrainAsync(second);
            _time.Advance(TimeSpan.FromMinutes(2));
        }

        // The installation, five, and one for each of the two.
        Assert.Equal(7, _store.LastSequence);
        Assert.Equal(0, first.Status!.LagRecords);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_was_not_confirmed_comes_again_after_a_failure_with_growing_pauses(bool whenSending)
    {
        var sink = new FakeSink();
        var follower = Follow(sink);
        _ = whenSending ? sink.SendFails = "No space left" : sink.ConfirmFails = "No space left";
        await SinkBed.DrainAsync(follower);
        _time.Advance(TimeSpan.FromMinutes(1));
        var pauses = new List<double>();
        for (var i = 0; i < 9; i++)
        {
            await SinkBed.DrainAsync(follower);
            pauses.Add(follower.Pause.TotalSeconds);
        }

        Assert.Equal(60, pauses.Max());
        Assert.Equal(pauses.Order(), pauses);
        Assert.Empty(sink.Confirmed);
        Assert.Equal("No space left", follower.Status!.Row.Error);
        Assert.Equal(1, await CountAsync(AuditEvent.AuditSinkFailed));

        (sink.SendFails, sink.ConfirmFails) = (null, null);
        await SinkBed.DrainAsync(follower);
        Assert.Equal(TimeSpan.Zero, follower.Pause);
        Assert.Equal((null, ""), (follower.Status.Row.FailingSince, follower.Status.Row.Error));
        Assert.Equal(1, await CountAsync(AuditEvent.AuditSinkRecovered));
        // The installation, five, and that it failed; each once.
        Assert.Equal([0L, 1, 2, 3, 4, 5, 6], sink.Confirmed.Select(each => each.Record.Entry.Sequence));
    }

    [Fact]
    public async Task The_next_server_goes_on_where_the_last_one_confirmed()
    {
        var first = new FakeSink();
        var before = Follow(first);
        await SinkBed.DrainAsync(before);
        await before.FinishAsync(CancellationToken.None);
        await SinkBed.AppendAsync(_store, 2);
        var second = new FakeSink();
        var after = Follow(second);
        await SinkBed.DrainAsync(after);
        await after.FinishAsync(CancellationToken.None);
        Assert.Equal(6, first.Confirmed.Count);
        Assert.Equal([6L, 7, 8], second.Confirmed.Select(each => each.Record.Entry.Sequence));
    }

    [Fact]
    public async Task A_server_that_dies_costs_a_second_delivery_and_no_record()
    {
        await SinkBed.DrainAsync(Follow(new FakeSink()));
        var sink = new FakeSink();
        var follower = Follow(sink);
        await SinkBed.DrainAsync(follower);
        await follower.FinishAsync(CancellationToken.None);
        Assert.Equal(6, sink.Confirmed.Count);
    }

    /// <summary>Two servers, for a moment: the one that comes later with its row begins anew where the row says.</summary>
    [Fact]
    public async Task A_follower_that_was_overtaken_reads_the_row_again()
    {
        var sink = new FakeSink();
        var slow = Follow(sink);
        await SinkBed.DrainAsync(slow);
        var quick = Follow(new FakeSink());
        await SinkBed.DrainAsync(quick);
        await quick.FinishAsync(CancellationToken.None);
        _time.Advance(TimeSpan.FromMinutes(2));
        await SinkBed.DrainAsync(slow);
        await SinkBed.AppendAsync(_store, 1);
        await SinkBed.DrainAsync(slow);
        _time.Advance(TimeSpan.FromMinutes(2));
        await SinkBed.DrainAsync(slow);
        Assert.Equal(8, slow.Status!.Row.Next[0]);
    }

    [Fact]
    public async Task It_alarms_when_the_oldest_missing_record_is_too_old_and_clears_by_itself()
    {
        var alarms = new AlarmServer(_store, _rows, _time);
        var sink = new FakeSink { SendFails = "The receiver is down." };
        var follower = SinkBed.Follow(_store, _rows, _time, Configuration, sink, alarms.Outlet);
        await SinkBed.DrainAsync(follower);
        Assert.Empty(alarms.View.Open());
        _time.Advance(SinkBed.AlarmAfter);
        await SinkBed.DrainAsync(follower);
        var alarm = Assert.Single(alarms.View.Open());
        Assert.Equal((AlarmKind.SinkBehind, "copies", AlarmSeverity.Warning), (alarm.Kind, alarm.Subject, alarm.Severity));
        Assert.Contains("lacks 7 records", alarm.Message, StringComparison.Ordinal);
        Assert.Contains("The receiver is down.", alarm.Message, StringComparison.Ordinal);
        sink.SendFails = null;
        await SinkBed.DrainAsync(follower);
        Assert.NotNull(Assert.Single(alarms.View.Open()).ClearTime);
    }

    [Fact]
    public async Task A_store_that_does_not_answer_is_not_the_sinks_fault()
    {
        var broken = new BreakableStore(_store);
        var sink = new FakeSink();
        var follower = SinkBed.Follow(broken, _rows, _time, Configuration, sink);
        broken.Broken = true;
        await Assert.ThrowsAsync<StoreUnavailableException>(() => follower.StepAsync(CancellationToken.None));
        broken.Broken = false;
        await SinkBed.DrainAsync(follower);
        _time.Advance(TimeSpan.FromMinutes(1));
        broken.Broken = true;
        await Assert.ThrowsAsync<StoreUnavailableException>(() => follower.StepAsync(CancellationToken.None));
        broken.Broken = false;
        await SinkBed.DrainAsync(follower);
        Assert.Equal(TimeSpan.Zero, follower.Pause);
        Assert.Equal(0, await CountAsync(AuditEvent.AuditSinkFailed));
        Assert.Equal(6, sink.Confirmed.Count);
    }

    [Theory]
    [InlineData("UPDATE audit_records SET record = (SELECT record FROM audit_records WHERE sequence = 1) WHERE sequence = 3", "0/3")]
    [InlineData("DELETE FROM audit_records WHERE sequence = 2", "0/2")]
    public async Task A_record_that_was_changed_or_removed_is_not_delivered_and_alarms(string sql, string row)
    {
        await _store.DisposeAsync();
        _file.Edit(sql);
        _store = _file.Open(_time);
        var alarms = new AlarmServer(_store, _rows, _time);
        var sink = new FakeSink();
        await SinkBed.DrainAsync(SinkBed.Follow(_store, _rows, _time, Configuration, sink, alarms.Outlet));
        Assert.Equal(0, sink.Sends);
        Assert.Contains(alarms.View.Open(), alarm => alarm.Kind == AlarmKind.StoreTampered && alarm.Subject == $"audit_records/{row}");
    }

    [Fact]
    public async Task A_log_that_was_cut_below_what_the_sink_has_alarms()
    {
        var before = Follow(new FakeSink());
        await SinkBed.DrainAsync(before);
        await before.FinishAsync(CancellationToken.None);
        await _store.DisposeAsync();
        _file.Edit("DELETE FROM audit_records WHERE sequence >= 3");
        _store = _file.Open(_time);
        var alarms = new AlarmServer(_store, _rows, _time);
        await SinkBed.DrainAsync(SinkBed.Follow(_store, _rows, _time, Configuration, new FakeSink(), alarms.Outlet));
        Assert.Contains(alarms.View.Open(), alarm => alarm.Message.Contains("it was cut", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_log_whose_beginning_was_deleted_after_its_years_is_delivered_from_where_it_begins()
    {
        var archive = new AuditArchive(
            new AuditMonth(202011), 0, 0, await new AuditLog(_store).ExtendAsync(new MerkleFrontier(), 2, CancellationToken.None),
            new ArchiveFile(1, "elsewhere", 1, new byte[32]), _time.GetUtcNow(), "root-admin", null, null, 1);
        await _store.CommitAsync(new AuditRecordDraft(AuditEvent.AuditArchiveRegistered), transaction => archive.InsertAsync(transaction, _rows), CancellationToken.None);
        await _store.CommitAsync(new AuditRecordDraft(AuditEvent.AuditRecordsDeleted), transaction => archive.DeleteRecordsAsync(transaction, _rows, "root-admin"), CancellationToken.None);
        await _store.CommitAsync(
            new AuditRecordDraft(AuditEvent.AuditRecordsRemoved),
            transaction => Dapper.SqlMapper.ExecuteAsync(transaction.Connection, "DELETE FROM audit_records WHERE sequence < 3", transaction: transaction.Transaction), CancellationToken.None);
        var sink = new FakeSink();
        var follower = Follow(sink);
        await SinkBed.DrainAsync(follower);
        await follower.FinishAsync(CancellationToken.None);
        Assert.Equal([3L, 4, 5, 6, 7, 8], sink.Confirmed.Select(each => each.Record.Entry.Sequence));
    }

    [Fact]
    public async Task A_position_that_was_moved_in_the_database_is_refused()
    {
        var before = Follow(new FakeSink());
        await SinkBed.DrainAsync(before);
        await before.FinishAsync(CancellationToken.None);
        await _store.DisposeAsync();
        _file.Edit("UPDATE audit_sinks SET positions = x'000000000000000000000100'");
        _store = _file.Open(_time);
        var found = await Assert.ThrowsAsync<StoreTamperedException>(() => Follow(new FakeSink()).StepAsync(CancellationToken.None));
        Assert.Equal("audit_sinks", found.Table);
    }

    private SinkFollower Follow(IAuditSink sink, string name = "copies") => SinkBed.Follow(_store, _rows, _time, Configuration with { Name = name }, sink);

    private async Task<int> CountAsync(AuditEvent auditEvent) => (await SinkBed.LogAsync(_store)).Count(record => record.Record.EventId == (ushort)auditEvent);

    private async Task<AuditEvent> LastEventAsync() => (AuditEvent)(await SinkBed.LogAsync(_store))[^1].Record.EventId;
}
