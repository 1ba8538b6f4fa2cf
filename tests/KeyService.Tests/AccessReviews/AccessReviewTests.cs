using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.AccessReviews;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Audit.Sinks;
using KeyService.Tests.Storage;

namespace KeyService.Tests.AccessReviews;

public sealed class AccessReviewTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private SqliteStore _store = null!;
    private AccessReviewBed _bed = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        _bed = await AccessReviewBed.MakeAsync(_store, _rows, _time);
    }

    public async ValueTask DisposeAsync()
    {
        _bed.Dispose();
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public Task A_review_is_started_attested_reassigned_and_closed() => new AccessReviewContract(_bed).CheckAsync();

    [Fact]
    public Task What_nobody_attested_is_suspended_at_the_deadline() => new AccessReviewContract(_bed).CheckDeadlineAsync();

    [Fact]
    public Task A_review_that_changes_while_it_is_signed_is_not_closed() => new AccessReviewContract(_bed).CheckChangedAsync();

    /// <summary>The HSM fails between the suspension and the signature, and then the server is another one.</summary>
    [Fact]
    public async Task A_server_that_dies_before_the_signature_leaves_the_rest_to_the_next_one()
    {
        await _bed.StartAsync();
        await _bed.AttestAsync("database");
        await _bed.PassAsync();
        var signer = _bed.Signer;
        _bed.Signer = new(signer.PublicKey, (_, _) => throw new InvalidOperationException("The token is gone."));
        await Assert.ThrowsAsync<InvalidOperationException>(() => _bed.StepAsync());
        Assert.True(_bed.IsDisabled("zoe"));
        Assert.True((await _bed.NewestAsync()).IsOpen);

        using var next = await AccessReviewBed.OpenAsync(_store, _rows, _time, signer);
        await next.StepAsync();
        await next.StepAsync();
        await _bed.StepAsync();
        Assert.Equal(AuditEvent.AccessReviewClosed, Assert.Single(await EventsAsync(AuditEvent.AccessReviewClosed)));
        Assert.Single(await EventsAsync(AuditEvent.AccessSuspendedAtDeadline));
        Assert.Equal(8, (await next.ResultAsync()).Entries.Count);
    }

    /// <summary>All servers were down: whoever is about to be disabled is told a day before all the same, and can be attested.</summary>
    [Fact]
    public async Task A_review_whose_end_nobody_was_told_of_ends_a_day_later()
    {
        await _bed.StartAsync();
        _time.Advance(TimeSpan.FromDays(60));
        await _bed.StepAsync();
        await _bed.StepAsync();
        Assert.False(_bed.IsDisabled("zoe"));
        Assert.Equal(_time.GetUtcNow() + TimeSpan.FromDays(1), (await _bed.NewestAsync()).EndTime);
        var announced = Assert.Single((await SinkBed.LogAsync(_store)).Select(each => each.Record), record => record.EventId == (ushort)AuditEvent.AccessReviewAnnounced);
        Assert.EndsWith("not attested are alice, backup, database, dave, erin, root-admin, triage, zoe", announced.Detail, StringComparison.Ordinal);
        await _bed.AttestAsync("database");
        _time.Advance(TimeSpan.FromDays(1) - TimeSpan.FromSeconds(1));
        await _bed.StepAsync();
        Assert.False(_bed.IsDisabled("zoe"));
        _time.Advance(TimeSpan.FromSeconds(1));
        await _bed.StepAsync();
        Assert.True(_bed.IsDisabled("zoe"));
        Assert.False(_bed.IsDisabled("database"));
        await _bed.ResultAsync();
    }

    [Fact]
    public async Task A_clock_that_jumps_past_the_end_disables_nobody()
    {
        await _bed.StartAsync();
        _time.Advance(TimeSpan.FromDays(11));
        await _bed.StepAsync();
        Assert.NotNull((await _bed.NewestAsync()).EndTime);
        _bed.Clock.Look();
        _time.Advance(TimeSpan.FromDays(400));
        _bed.Clock.Look();
        Assert.True(_bed.Clock.PaceOfBacklog);
        await _bed.StepAsync();
        Assert.False(_bed.IsDisabled("zoe"));

        // And a jump that was not looked at yet: the first call only takes note.
        using var another = await AccessReviewBed.OpenAsync(_store, _rows, _time, _bed.Signer);
        await another.Unsettled.StepAsync(CancellationToken.None);
        Assert.False(another.IsDisabled("zoe"));
        await another.StepAsync();
        Assert.True(another.IsDisabled("zoe"));
    }

    /// <summary>Attestations of since then are gone: the end is told of anew, as if nothing had been.</summary>
    [Fact]
    public async Task A_database_that_was_put_back_disables_nobody_without_a_day_of_notice()
    {
        await _bed.StartAsync();
        await _bed.PassAsync();
        _bed.Trust.Differs("record 0/7 is missing");
        await _bed.StepAsync();
        Assert.False(_bed.IsDisabled("zoe"));
        await _bed.AcceptStoreAsync();
        _bed.Trust.Accepted();
        _time.Advance(TimeSpan.FromMinutes(1));
        await _bed.StepAsync();
        await _bed.StepAsync();
        Assert.False(_bed.IsDisabled("zoe"));
        await _bed.AttestAsync("zoe");
        _time.Advance(TimeSpan.FromDays(1));
        await _bed.StepAsync();
        Assert.Equal((false, true), (_bed.IsDisabled("zoe"), _bed.IsDisabled("erin")));
    }

    /// <summary>More than one record of the log can name are suspended in parts, and all of them stand in records.</summary>
    [Fact]
    public async Task Very_many_are_suspended_in_parts()
    {
        for (var i = 0; i < 250; i++)
        {
            await _bed.RegisterAsync($"service-{i:000}", PrincipalType.Service);
        }

        await _bed.StartAsync();
        await _bed.AttestOthersAsync([.. Enumerable.Range(0, 250).Select(i => $"service-{i:000}")]);
        await _bed.PassAsync();
        await _bed.StepAsync();
        Assert.False((await _bed.NewestAsync()).IsOpen);
        var records = (await SinkBed.LogAsync(_store)).Select(each => each.Record).Where(record => record.EventId == (ushort)AuditEvent.AccessSuspendedAtDeadline).ToList();
        Assert.Equal([100UL, 100, 50], records.Select(record => record.ItemCount!.Value));
        Assert.Equal(250, records.SelectMany(record => record.Changes).Count(change => change.Table == "principals" && change.Revision == 2));
        Assert.Equal(250, (await _bed.ResultAsync()).Entries.Count(each => each.Verdict == "suspended-at-deadline"));
    }

    [Fact]
    public async Task The_alarm_of_a_deadline_comes_in_its_last_quarter_or_week_and_ends_with_the_last_word()
    {
        await _bed.StartAsync(AccessReviewBed.Roster(new RosterLine("backup", "", null)), days: 8);
        await _bed.AttestOthersAsync("zoe", "backup");
        _time.Advance(TimeSpan.FromDays(6) - TimeSpan.FromSeconds(1));
        await _bed.LookAsync();
        Assert.Empty(_bed.Standing);
        _time.Advance(TimeSpan.FromSeconds(1));
        await _bed.LookAsync();
        var alarm = Assert.Single(_bed.Standing);
        Assert.Equal((AlarmKind.AccessReviewDue, (await _bed.NewestAsync()).IdText, AlarmSeverity.Critical), (alarm.Kind, alarm.Subject, alarm.Severity));
        Assert.Equal("2 principals are disabled 2026-11-30T12:00:00Z unless they are attested: backup, zoe. Managers who are asked: dave. Without a manager: backup.", alarm.Message);
        await _bed.ReassignAsync("backup", "erin");
        await _bed.AttestOthersAsync();
        await _bed.LookAsync();
        Assert.Empty(_bed.Standing);
        await _bed.CloseAsync();

        // Of a longer review the last week.
        await _bed.StartAsync(days: 90);
        _time.Advance(TimeSpan.FromDays(83) - TimeSpan.FromSeconds(1));
        await _bed.LookAsync(0);
        Assert.Empty(_bed.Standing);
        _time.Advance(TimeSpan.FromSeconds(1));
        await _bed.LookAsync(0);
        Assert.Equal(AlarmKind.AccessReviewDue, Assert.Single(_bed.Standing).Kind);
    }

    [Fact]
    public async Task Whoever_loses_his_manager_is_an_orphan_again()
    {
        await _bed.StartAsync();
        Assert.False((await _bed.ItemAsync("zoe")).IsOrphan);
        await _bed.AttestAsync("dave", ReviewVerdict.Suspend, by: "erin", note: "left");
        Assert.True((await _bed.ItemAsync("zoe")).IsOrphan);
        var open = await _bed.NewestAsync();
        _time.Advance(open.AnnounceTime - _time.GetUtcNow());
        await _bed.LookAsync();
        Assert.Contains("Without a manager: alice, backup, database, erin, root-admin, triage, zoe.", Assert.Single(_bed.Standing).Message, StringComparison.Ordinal);
        await _bed.ReassignAsync("zoe", "erin");
        Assert.False((await _bed.ItemAsync("zoe")).IsOrphan);
    }

    [Fact]
    public async Task No_review_for_longer_than_a_quarter_is_an_alarm_and_so_is_one_that_does_not_end()
    {
        _time.Advance(TimeSpan.FromDays(92));
        await _bed.LookAsync();
        Assert.Empty(_bed.Standing);
        _time.Advance(TimeSpan.FromSeconds(1));
        await _bed.LookAsync(0);
        Assert.Empty(_bed.Standing);
        await _bed.LookAsync();
        var alarm = Assert.Single(_bed.Standing);
        Assert.Equal((AlarmKind.AccessReviewOverdue, "access"), (alarm.Kind, alarm.Subject));

        // One that is under way does not end it; one that is closed does.
        await _bed.StartAsync(days: 1);
        await _bed.AttestOthersAsync();
        await _bed.LookAsync();
        Assert.Single(_bed.Standing);
        _time.Advance(TimeSpan.FromDays(1) + TimeSpan.FromMinutes(16));
        await _bed.LookAsync();
        Assert.Equal(["access", (await _bed.NewestAsync()).IdText], _bed.Standing.Select(each => each.Subject).OrderByDescending(each => each == "access"));
        await _bed.StepAsync();
        await _bed.LookAsync();
        Assert.Empty(_bed.Standing);
    }

    [Fact]
    public async Task An_administrator_whom_nobody_attested_is_told_until_a_review_attests_or_somebody_disables()
    {
        await _bed.StartAsync();
        await _bed.AttestOthersAsync("root-admin", "alice");
        await _bed.PassAsync();
        await _bed.StepAsync();
        await _bed.LookAsync();
        var alarm = Assert.Single(_bed.Standing);
        Assert.Equal((AlarmKind.AdministratorNotAttested, "root-admin"), (alarm.Kind, alarm.Subject));

        await _bed.StartAsync(by: "root-admin");
        await _bed.AttestOthersAsync();
        await _bed.LookAsync();
        Assert.Single(_bed.Standing);
        await _bed.CloseAsync("root-admin");
        await _bed.LookAsync();
        Assert.Empty(_bed.Standing);
    }

    [Fact]
    public async Task The_last_administrator_is_not_suspended_by_a_manager_either()
    {
        await _bed.StartAsync();
        await _bed.AttestAsync("root-admin", ReviewVerdict.Suspend, note: "no longer needed");
        var refusal = await _bed.RefusedAsync(Protocol.V1.Reason.InvalidArgument, () => _bed.AttestAsync("alice", ReviewVerdict.Suspend, note: "nor she"));
        Assert.Contains("nobody would be left who can administer access", refusal.Message, StringComparison.Ordinal);
        Assert.False(_bed.IsDisabled("alice"));
        Assert.True((await _bed.ItemAsync("alice")).IsPending);
    }

    [Theory]
    [InlineData("UPDATE access_reviews SET due_at = due_at * 2", "access_reviews")]
    [InlineData("UPDATE access_reviews SET scope = replace(scope, 'dave', 'zoe')", "access_reviews")]
    [InlineData("UPDATE access_reviews SET state = 2", "access_reviews")]
    [InlineData("DELETE FROM access_reviews", "access_reviews")]
    [InlineData("UPDATE access_review_items SET principal = 'zoe'", "access_review_items")]
    [InlineData("UPDATE access_review_items SET verdict = 2", "access_review_items")]
    [InlineData("DELETE FROM access_review_items", "access_review_items")]
    public async Task Whoever_edits_the_tables_is_noticed(string sql, string table)
    {
        await _bed.StartAsync();
        await _bed.AttestAsync("database", ReviewVerdict.Suspend, note: "no");
        await _store.DisposeAsync();
        _file.Edit(sql);
        _store = _file.Open(_time);
        using var next = await AccessReviewBed.OpenAsync(_store, _rows, _time);
        var found = await Assert.ThrowsAsync<StoreTamperedException>(async () =>
        {
            await next.LookAsync();
            await next.EverybodyAsync();
        });
        Assert.Equal(table, found.Table);

        // Nor is anything decided by it: that zoe was attested, or the database was not, would be.
        if (table == AccessReviewItemTable.Name)
        {
            var name = sql.Contains("zoe", StringComparison.Ordinal) ? "zoe" : "database";
            Assert.Equal(table, (await Assert.ThrowsAsync<StoreTamperedException>(() => next.AttestAsync(name))).Table);
        }
    }

    /// <summary>Disabling, moving a grant, letting one expire: each is another statement; a role's name and a grant's terms stand in it.</summary>
    [Fact]
    public async Task Whatever_is_granted_or_taken_back_is_another_statement()
    {
        var (zoe, now) = (_bed.Register.Current.Principals["zoe"], _time.GetUtcNow());
        var grant = new Grant
        {
            Id = 0xab, Principal = "zoe", Permissions = [Permission.Decrypt], KeyPattern = KeyPattern.All, ContextConstraint = ContextConstraint.Empty,
            ExpireTime = now + TimeSpan.FromDays(1), CreateTime = now, Revoked = false, Revision = 1,
        };
        var quota = grant with { Quotas = [new Quota(QuotaMeasure.Items, QuotaWindow.Day, 10)] };
        KeyPattern.TryParse("ehr/*", out var ehr);
        List<string> statements =
        [
            AccessStatement.TextOf(zoe, [], now), AccessStatement.TextOf(zoe, [grant], now), AccessStatement.TextOf(zoe, [quota], now),
            AccessStatement.TextOf(zoe, [grant with { KeyPattern = ehr }], now), AccessStatement.TextOf(zoe, [grant with { ExpireTime = null }], now),
            AccessStatement.TextOf(zoe, [grant with { Roles = [Role.DataUser] }], now), AccessStatement.TextOf(zoe, [grant with { Id = 0xac }], now),
            AccessStatement.TextOf(zoe, [grant, grant with { Id = 0xac }], now),
            AccessStatement.TextOf(zoe with { Type = PrincipalType.Service }, [grant], now), AccessStatement.TextOf(zoe with { Credential = Credential.OfUid(7) }, [grant], now),
        ];
        Assert.Equal(statements.Count, statements.Distinct().Count());
        Assert.Equal(statements[0], AccessStatement.TextOf(zoe, [grant with { Revoked = true }], now));
        Assert.Equal(statements[0], AccessStatement.TextOf(zoe, [grant], now + TimeSpan.FromDays(1)));
        Assert.Equal(statements[7], AccessStatement.TextOf(zoe, [grant with { Id = 0xac }, grant], now));
    }

    private async Task<IEnumerable<AuditEvent>> EventsAsync(AuditEvent which) =>
        (await SinkBed.LogAsync(_store)).Select(each => (AuditEvent)each.Record.EventId).Where(each => each == which);
}
