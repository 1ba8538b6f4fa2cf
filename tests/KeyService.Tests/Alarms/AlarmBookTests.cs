using Dapper;
using KeyService.Crypto;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Alarms;

public sealed class AlarmBookTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private readonly ImpatientTime _time = new();
    private SqliteStore _real = null!;
    private BreakableStore _store = null!;
    private AlarmServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _real = _file.Open(_time);
        await SoftwareRows.InstallAsync(_real, _rows);
        _store = new BreakableStore(_real);
        _server = NewServer();
    }

    public async ValueTask DisposeAsync()
    {
        await _real.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task An_alarm_is_kept_recorded_and_told_once_however_often_it_is_raised()
    {
        await _server.RaiseAsync();
        var last = _store.LastSequence;
        for (var i = 0; i < 100; i++)
        {
            await _server.RaiseAsync();
        }

        Assert.Equal((last, 1), (_store.LastSequence, _server.Told.Raised));
        var alarm = Assert.Single(await AllAsync());
        Assert.Equal((AlarmKind.KeyAging, "ehr/one", "It is 170 days old.", AlarmSeverity.Warning, true), (alarm.Kind, alarm.Subject, alarm.Message, alarm.Severity, alarm.IsOpen));
        Assert.Equal([$"alarm-raised ehr/one {alarm.IdText} key-aging of ehr/one: It is 170 days old."], await RecordsAsync());
    }

    [Fact]
    public async Task Clearing_what_does_not_stand_writes_nothing()
    {
        var last = _store.LastSequence;
        await _server.ClearAsync();
        await _server.RaiseAsync();
        await _server.ClearAsync();
        await _server.ClearAsync();
        Assert.Equal((last + 2, 1), (_store.LastSequence, _server.Told.Cleared));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_alarm_is_open_until_it_is_over_and_acknowledged_whichever_comes_first(bool overFirst)
    {
        await _server.RaiseAsync();
        await (overFirst ? _server.ClearAsync() : AcknowledgeAsync());
        Assert.True(Assert.Single(await AllAsync()).IsOpen);
        await (overFirst ? AcknowledgeAsync() : _server.ClearAsync());
        Assert.False(Assert.Single(await AllAsync()).IsOpen);
        Assert.Empty(_server.View.Open());
        Assert.Equal((1, 1, 1), (_server.Told.Raised, _server.Told.Cleared, _server.Told.Acknowledged));
    }

    [Fact]
    public async Task A_condition_that_comes_back_after_its_alarm_was_closed_is_a_new_alarm()
    {
        await _server.RaiseAsync();
        await AcknowledgeAsync();
        await _server.ClearAsync();
        await _server.RaiseAsync();
        var all = await AllAsync();
        Assert.Equal((2, 1, 2), (all.Count, all.Count(alarm => alarm.IsOpen), _server.Told.Raised));
    }

    [Fact]
    public async Task A_condition_that_comes_and_goes_unnoticed_stays_one_alarm_and_is_told_each_time()
    {
        for (var i = 0; i < 5; i++)
        {
            await _server.RaiseAsync();
            await _server.ClearAsync();
        }

        var alarm = Assert.Single(await AllAsync());
        Assert.Equal((4, false, 5), (alarm.Repeats, alarm.Stands, _server.Told.Raised));
    }

    [Fact]
    public async Task Who_acknowledged_a_warning_has_not_acknowledged_that_it_became_critical()
    {
        await _server.RaiseAsync();
        await AcknowledgeAsync();
        await _server.Outlet.RaiseAsync(AlarmKind.KeyAging, "ehr/one", "It is 179 days old.", AlarmSeverity.Critical, CancellationToken.None);
        var alarm = Assert.Single(await AllAsync());
        Assert.Equal((AlarmSeverity.Critical, null, "It is 179 days old.", 2), (alarm.Severity, alarm.Acknowledgement, alarm.Message, _server.Told.Raised));
    }

    [Fact]
    public async Task A_new_wording_alone_is_written_once_an_hour_and_not_told()
    {
        await _server.RaiseAsync(message: "It is 170 days old.");
        var last = _store.LastSequence;
        for (var minute = 0; minute < 150; minute++)
        {
            await _server.RaiseAsync(message: $"It is 170 days and {minute} minutes old.");
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal((last + 2, 1), (_store.LastSequence, _server.Told.Raised));
        Assert.Equal("It is 170 days and 120 minutes old.", Assert.Single(await AllAsync()).Message);
    }

    [Fact]
    public async Task What_nobody_acknowledges_is_told_again_a_critical_one_sooner_the_first_time()
    {
        await _server.RaiseAsync(AlarmKind.KeyAging);
        await _server.RaiseAsync(AlarmKind.KeyCompromised);
        await _server.LookAsync();
        Assert.Equal(0, _server.Told.Repeated);
        await AdvanceAsync(AlarmServer.RepeatEvery / 8);
        Assert.Equal(1, _server.Told.Repeated);
        await AdvanceAsync(AlarmServer.RepeatEvery);
        Assert.Equal(3, _server.Told.Repeated);
        await AdvanceAsync(AlarmServer.RepeatEvery - TimeSpan.FromTicks(1));
        Assert.Equal(3, _server.Told.Repeated);
        await AdvanceAsync(TimeSpan.FromTicks(1));
        Assert.Equal(5, _server.Told.Repeated);
        Assert.Equal([2L, 3L], (await AllAsync()).Select(alarm => alarm.Repeats).Order());
    }

    [Fact]
    public async Task What_is_acknowledged_is_not_told_again_and_what_is_only_over_is()
    {
        await _server.RaiseAsync(subject: "acknowledged");
        await AcknowledgeAsync();
        await _server.RaiseAsync(subject: "over");
        await _server.ClearAsync(subject: "over");
        await AdvanceAsync(AlarmServer.RepeatEvery);
        Assert.Contains("of over", Assert.Single(_server.Told.Lines, line => line.StartsWith("6002", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Acknowledging_twice_keeps_the_first_and_an_alarm_that_is_not_there_is_not_found()
    {
        await _server.RaiseAsync();
        await AcknowledgeAsync("first");
        await AcknowledgeAsync("second");
        Assert.Equal("first", Assert.Single(await AllAsync()).Acknowledgement!.Note);
        await Assert.ThrowsAsync<Refusal>(() => AcknowledgeAsync("none", id: 42));
    }

    [Fact]
    public async Task While_the_store_fails_an_alarm_is_told_at_once_and_written_when_it_is_well()
    {
        _store.Broken = true;
        await _server.RaiseAsync();
        await _server.RaiseAsync();
        await _server.LookWhileBrokenAsync();
        Assert.Equal((1, 1), (_server.Told.Raised, _server.Book.UnwrittenCount));
        _store.Broken = false;
        await _server.LookAsync();
        Assert.Equal((1, 0), (_server.Told.Raised, _server.Book.UnwrittenCount));
        Assert.True(Assert.Single(await AllAsync()).IsOpen);
    }

    [Fact]
    public async Task While_the_store_fails_what_stands_is_told_again_too()
    {
        _store.Broken = true;
        await _server.RaiseAsync();
        _time.Advance(AlarmServer.RepeatEvery);
        await _server.LookWhileBrokenAsync();
        await _server.LookWhileBrokenAsync();
        Assert.Equal((1, 1), (_server.Told.Raised, _server.Told.Repeated));
    }

    [Fact]
    public async Task What_was_over_before_it_could_be_written_is_written_as_what_it_was()
    {
        await _server.LookAsync();
        _store.Broken = true;
        await _server.RaiseAsync();
        await _server.ClearAsync();
        _store.Broken = false;
        await _server.LookAsync();
        var alarm = Assert.Single(await AllAsync());
        Assert.Equal((false, true, 1, 1), (alarm.Stands, alarm.IsOpen, _server.Told.Raised, _server.Told.Cleared));
    }

    [Fact]
    public async Task What_came_back_before_it_could_be_written_stands()
    {
        await _server.LookAsync();
        _store.Broken = true;
        await _server.RaiseAsync();
        await _server.ClearAsync();
        await _server.RaiseAsync();
        _store.Broken = false;
        await _server.LookAsync();
        Assert.True(Assert.Single(await AllAsync()).Stands);
        Assert.Equal((1, 0), (_server.Told.Raised, _server.Told.Cleared));
    }

    [Fact]
    public async Task A_store_that_hangs_does_not_keep_who_raises_an_alarm()
    {
        await _server.LookAsync();
        _time.Impatient = true;
        var hangs = _store.Hangs = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _server.RaiseAsync();
        Assert.Equal(1, _server.Told.Raised);
        _time.Impatient = false;
        _store.Hangs = null;
        hangs.SetResult();
        await _server.LookAsync();
        Assert.Single(await AllAsync());
        Assert.Equal((1, 0), (_server.Told.Raised, _server.Book.UnwrittenCount));
    }

    [Fact]
    public async Task Two_servers_that_find_the_same_raise_one_alarm()
    {
        var other = NewServer();
        for (var i = 0; i < 20; i++)
        {
            var subject = $"ehr/{i}";
            await Task.WhenAll(_server.RaiseAsync(subject: subject), other.RaiseAsync(subject: subject));
        }

        Assert.Equal(20, (await AllAsync()).Count);
        Assert.Equal(20, _server.Told.Raised + other.Told.Raised);
    }

    [Fact]
    public async Task One_server_learns_what_another_did_and_one_of_them_tells_again()
    {
        var other = NewServer();
        await _server.RaiseAsync();
        await other.LookAsync();
        Assert.Single(other.View.Open());
        var last = _store.LastSequence;
        await other.RaiseAsync();
        Assert.Equal(last, _store.LastSequence);

        _time.Advance(AlarmServer.RepeatEvery);
        await Task.WhenAll(_server.LookAsync(), other.LookAsync());
        Assert.Equal(1, _server.Told.Repeated + other.Told.Repeated);

        await AcknowledgeAsync();
        await _server.ClearAsync();
        await other.LookAsync();
        Assert.Empty(other.View.Open());
        await other.RaiseAsync();
        Assert.Equal(2, (await AllAsync()).Count);
    }

    [Fact]
    public async Task A_server_that_starts_knows_the_open_alarms_of_the_one_before()
    {
        await _server.RaiseAsync();
        var next = NewServer();
        await next.RaiseAsync();
        Assert.Equal((1, 0), ((await AllAsync()).Count, next.Told.Raised));
        await next.ClearAsync();
        Assert.False(Assert.Single(await AllAsync()).Stands);
    }

    [Theory]
    [InlineData("DELETE FROM alarms")]
    [InlineData("UPDATE alarms SET acknowledged_at = 1, acknowledged_by = 'me', acknowledged_note = 'nothing to see'")]
    [InlineData("UPDATE alarms SET severity = 1")]
    [InlineData("DELETE FROM register_state WHERE register = 'alarms'")]
    public async Task An_alarm_made_to_vanish_in_the_database_is_noticed_and_itself_an_alarm(string sql)
    {
        await _server.RaiseAsync(AlarmKind.KeyCompromised);
        await _server.ClearAsync(AlarmKind.KeyCompromised);
        _file.Edit(sql);
        var server = NewServer();
        await Assert.ThrowsAsync<StoreTamperedException>(() => server.Book.RefreshAsync(CancellationToken.None));
        await server.LookAsync();
        Assert.Contains(server.Told.Lines, line => line.StartsWith("6000 Alarm store-tampered of ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Pages_go_through_all_in_order_the_open_ones_with_the_critical_first()
    {
        foreach (var (kind, subject) in new[] { (AlarmKind.KeyAging, "a"), (AlarmKind.KeyCompromised, "b"), (AlarmKind.KeyAging, "c"), (AlarmKind.StoreTampered, "d") })
        {
            await _server.RaiseAsync(kind, subject);
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal("b d a c", await PagesAsync(openOnly: true));
        Assert.Equal("d c b a", await PagesAsync(openOnly: false));
        await AcknowledgeAsync("seen", (await AllAsync()).Single(alarm => alarm.Subject == "b").Id);
        await _server.ClearAsync(AlarmKind.KeyCompromised, "b");
        Assert.Equal("d a c", await PagesAsync(openOnly: true));
        Assert.Equal("d c b a", await PagesAsync(openOnly: false));
    }

    private async Task<string> PagesAsync(bool openOnly)
    {
        var subjects = new List<string>();
        Alarm? after = null;
        do
        {
            var page = await _server.Book.PageAsync(openOnly, after, 1, CancellationToken.None);
            after = page.Count > 0 ? page[^1] : null;
            subjects.AddRange(page.Select(alarm => alarm.Subject));
        }
        while (after is not null);
        return string.Join(' ', subjects);
    }

    private AlarmServer NewServer() => new(_store, _rows, _time);

    private Task AdvanceAsync(TimeSpan by)
    {
        _time.Advance(by);
        return _server.LookAsync();
    }

    private Task<IReadOnlyList<Alarm>> AllAsync() => _server.Book.PageAsync(openOnly: false, null, 1000, CancellationToken.None);

    private async Task AcknowledgeAsync(string note = "seen", ulong? id = null)
    {
        var which = id ?? (await AllAsync())[0].Id;
        await _store.CommitAsync(
            new AuditRecordDraft(AuditEvent.AlarmAcknowledged),
            transaction => _server.Book.AcknowledgeAsync(transaction, which, $"{which:x16}", "officer", note), CancellationToken.None);
    }

    private async Task<List<string>> RecordsAsync()
    {
        var records = await _store.ReadAsync(
            connection => connection.QueryAsync<byte[]>("SELECT record FROM audit_records ORDER BY sequence"), CancellationToken.None);
        return [.. records.Skip(1).Select(bytes =>
        {
            Assert.True(AuditRecord.TryParse(bytes, out var record));
            return $"{AuditEvents.NameOf((AuditEvent)record!.EventId)} {record.Key} {record.Detail}";
        })];
    }

    /// <summary>A clock that stands until a test moves it, and whose timers go off at once when the test has no patience.</summary>
    private sealed class ImpatientTime : TimeProvider
    {
        private DateTimeOffset _now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

        public bool Impatient { get; set; }

        public override DateTimeOffset GetUtcNow() => _now;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(callback, state, Impatient ? TimeSpan.Zero : dueTime, period);

        public void Advance(TimeSpan by) => _now += by;
    }
}
