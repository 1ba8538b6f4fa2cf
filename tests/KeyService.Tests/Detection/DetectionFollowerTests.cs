using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Detection;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Alarms;
using KeyService.Tests.Audit.Sinks;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Detection;

public sealed class DetectionFollowerTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private SqliteStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task What_is_found_stands_with_its_record_and_is_told_until_somebody_closes_it()
    {
        var follower = Follow();
        await DrainAsync(follower);
        await FailAsync(3, "one");
        await DrainAsync(follower);
        var finding = Assert.Single(await OpenAsync());
        Assert.Equal((DetectionRule.FailedLogins, "192.0.2.1 one", 0L, "2026-11"), (finding.RuleKind, finding.Subject, finding.Slot, finding.Month));
        Assert.Equal((ushort)AuditEvent.AuthenticationRefused, (await SinkBed.LogAsync(_store))[(int)finding.Sequence].Record.EventId);

        var alarms = new AlarmServer(_store, _rows, _time);
        await Judge(alarms).LookAsync(_time.GetUtcNow(), CancellationToken.None);
        var alarm = Assert.Single(alarms.View.Open());
        Assert.Equal((AlarmKind.Finding, "failed-logins 192.0.2.1 one"), (alarm.Kind, alarm.Subject));
        Assert.Contains(finding.IdText, alarm.Message, StringComparison.Ordinal);
    }

    /// <summary>At every record a server that died, with what it had in memory.</summary>
    [Fact]
    public async Task Servers_that_die_lose_no_finding_and_make_none_twice()
    {
        await DrainAsync(Follow());
        for (var i = 0; i < 9; i++)
        {
            await FailAsync(1, "one");
            await Follow().StepAsync(CancellationToken.None);
            await DrainAsync(Follow());
        }

        Assert.Equal(3, (await OpenAsync()).Count);
    }

    [Fact]
    public async Task A_commit_that_fails_is_made_up_for()
    {
        var broken = new BreakableStore(_store);
        var follower = new DetectionFollower(Configuration(), broken, _rows, new FindingTable(_rows), _time);
        await DrainAsync(follower);
        await FailAsync(2, "one");
        await DrainAsync(follower);
        broken.Broken = true;
        await Assert.ThrowsAsync<StoreUnavailableException>(() => follower.StepAsync(CancellationToken.None));
        broken.Broken = false;
        await FailAsync(1, "one");
        await DrainAsync(follower);
        Assert.Single(await OpenAsync());
    }

    [Fact]
    public async Task Very_many_findings_are_written_in_parts()
    {
        var follower = Follow("""{ "failedLogins": 1 }""");
        await DrainAsync(follower);
        await FailAsync(120, "one");
        await DrainAsync(follower);
        Assert.Equal(120, (await OpenAsync()).Count);
        Assert.Equal([50UL, 50, 20], (await SinkBed.LogAsync(_store)).Where(each => each.Record.EventId == (ushort)AuditEvent.FindingsMade).Select(each => each.Record.ItemCount!.Value));
    }

    [Fact]
    public async Task Records_of_before_it_began_are_learned_from_and_found_nothing_in()
    {
        await FailAsync(3, "one");
        await CallAsync("database", "192.0.2.7:1");
        _time.Advance(TimeSpan.FromHours(1));
        var follower = Follow();
        await DrainAsync(follower);
        Assert.Empty(await OpenAsync());
        await CallAsync("database", "192.0.2.7:2");
        await CallAsync("database", "192.0.2.8:1");
        await DrainAsync(follower);
        Assert.Equal("database called from 192.0.2.8, for the first time.", Assert.Single(await OpenAsync()).Message);
    }

    [Fact]
    public async Task A_log_that_nobody_uses_comes_to_rest()
    {
        var follower = Follow();
        for (var i = 0; i < 10; i++)
        {
            await DrainAsync(follower);
            _time.Advance(TimeSpan.FromMinutes(2));
        }

        // The installation, and that the log was looked through.
        Assert.Equal(1, _store.LastSequence);
    }

    [Theory]
    [InlineData("UPDATE findings SET closed_at = 1, disposition = 1", "findings")]
    [InlineData("DELETE FROM findings", "findings")]
    [InlineData("UPDATE detection_state SET positions = x'000000000000000000000100'", "detection_state")]
    [InlineData("DELETE FROM detection_state", "detection_state")]
    public async Task Whoever_edits_the_tables_is_noticed(string sql, string table)
    {
        var before = Follow();
        await DrainAsync(before);
        await FailAsync(3, "one");
        await DrainAsync(before);
        await _store.DisposeAsync();
        _file.Edit(sql);
        _store = _file.Open(_time);
        var alarms = new AlarmServer(_store, _rows, _time);
        var found = await Assert.ThrowsAsync<StoreTamperedException>(async () =>
        {
            await Follow().StepAsync(CancellationToken.None);
            await Judge(alarms).LookAsync(_time.GetUtcNow(), CancellationToken.None);
        });
        Assert.DoesNotContain(alarms.View.Open(), alarm => alarm.Kind == AlarmKind.Finding);
        Assert.Equal(table, found.Table);
    }

    [Fact]
    public async Task A_finding_that_nobody_closes_and_a_month_that_nobody_signs_are_overdue()
    {
        var began = _time.GetUtcNow();
        var follower = Follow();
        await DrainAsync(follower);
        await FailAsync(3, "one");
        await DrainAsync(follower);
        var alarms = new AlarmServer(_store, _rows, _time);
        _time.Advance(TimeSpan.FromDays(7));
        await Judge(alarms).LookAsync(began, CancellationToken.None);
        Assert.DoesNotContain(alarms.View.Open(), alarm => alarm.Kind == AlarmKind.ReviewOverdue);
        _time.Advance(TimeSpan.FromSeconds(1));
        await Judge(alarms).LookAsync(began, CancellationToken.None);
        Assert.Contains("1 findings wait for longer than 7 days", Assert.Single(alarms.View.Open(), alarm => alarm.Kind == AlarmKind.ReviewOverdue).Message, StringComparison.Ordinal);

        // 11 December: the tenth is over.
        _time.Advance(new DateTimeOffset(2026, 12, 10, 23, 59, 59, TimeSpan.Zero) - _time.GetUtcNow());
        await Judge(alarms).LookAsync(began, CancellationToken.None);
        Assert.DoesNotContain(alarms.View.Open(), alarm => alarm.Kind == AlarmKind.SignOffOverdue);
        _time.Advance(TimeSpan.FromSeconds(1));
        await Judge(alarms).LookAsync(began, CancellationToken.None);
        Assert.Equal("2026-11", Assert.Single(alarms.View.Open(), alarm => alarm.Kind == AlarmKind.SignOffOverdue).Subject);
    }

    private FindingAlarms Judge(AlarmServer alarms) =>
        new(Configuration(), _store, new FindingTable(_rows), new SignOffTable(_rows), alarms.Outlet, _time);

    private DetectionFollower Follow(string section = "{}") => new(Configuration(section), _store, _rows, new FindingTable(_rows), _time);

    private static DetectionConfiguration Configuration(string section = "{}") => DetectionStreamTests.Read(section);

    private static async Task DrainAsync(DetectionFollower follower)
    {
        while (await follower.StepAsync(CancellationToken.None))
        {
        }
    }

    private Task<IReadOnlyList<FindingRow>> OpenAsync() =>
        _store.ReadAsync(connection => new FindingTable(_rows).ListOpenAsync(connection, null, CancellationToken.None), CancellationToken.None);

    private async Task FailAsync(int count, string credential)
    {
        for (var i = 0; i < count; i++)
        {
            await _store.CommitAsync(
                new AuditRecordDraft(AuditEvent.AuthenticationRefused) { Outcome = AuditOutcome.Refused, Source = $"192.0.2.1:{5000 + i} {credential}" },
                null, CancellationToken.None);
        }
    }

    private Task CallAsync(string principal, string source) => _store.CommitAsync(
        new AuditRecordDraft(AuditEvent.KeyRead) { Principal = principal, PrincipalType = PrincipalType.Service, Source = source }, null, CancellationToken.None);
}
