using KeyService.Crypto.Approvals;
using KeyService.Protocol.V1;
using KeyService.Server;
using KeyService.Server.Approvals;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Approval = KeyService.Crypto.Approvals.Approval;
using ApprovalState = KeyService.Server.Approvals.ApprovalState;
using AuditOutcome = KeyService.Crypto.AuditOutcome;

namespace KeyService.Tests.Approvals;

/// <summary>From asking to the one run, on a real store; and everything by which somebody might get round it.</summary>
public sealed class QuorumGateTests : IAsyncLifetime
{
    private ApprovalStore _store = null!;

    public async ValueTask InitializeAsync() => _store = await ApprovalStore.OpenAsync();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task Without_a_roster_who_may_does()
    {
        Assert.True((await _store.CallAsync(ApprovalStore.NewRequest())).RestoredAccepted);
        Assert.Equal(AuditOutcome.Success, _store.Records[^1].Outcome);
    }

    [Fact]
    public async Task What_always_needs_a_quorum_is_refused_without_a_roster() =>
        Assert.Equal(Reason.QuorumMissing, (await Assert.ThrowsAsync<Refusal>(() => _store.CallAsync(ApprovalStore.NewRequest(), rule: QuorumRule.Always))).Reason);

    [Fact]
    public async Task A_roster_that_begins_later_lets_nothing_through_before()
    {
        var signed = _store.First("alice", "bob");
        _store.Time.Advance(TimeSpan.FromHours(-1));
        await _store.InstallAsync(signed);
        Assert.Equal(Reason.QuorumMissing, (await Assert.ThrowsAsync<Refusal>(() => _store.CallAsync(ApprovalStore.NewRequest()))).Reason);
    }

    [Fact]
    public async Task A_call_waits_for_two_officers_runs_once_and_is_answered_again_after_that()
    {
        await _store.InstallFirstAsync();
        var request = ApprovalStore.NewRequest();
        var row = await _store.AskAsync(request);
        Assert.Equal((AuditOutcome.Pending, "PENDING_APPROVAL"), (_store.Records[^1].Outcome, _store.Records[^1].Reason));
        Assert.Contains(row.IdText, _store.Records[^1].Detail, StringComparison.Ordinal);
        Assert.Equal(row.Id, (await _store.AskAsync(request)).Id);

        Assert.Equal(ApprovalState.Pending, (await _store.DecideAsync(_store.Word(row, "alice"))).State);
        await _store.AskAsync(request);
        Assert.Equal(ApprovalState.Approved, (await _store.DecideAsync(_store.Word(row, "carol"))).State);
        Assert.Equal(0, _store.Runs);

        Assert.True((await _store.CallAsync(request)).RestoredAccepted);
        Assert.Contains($"approval {row.IdText} by alice, carol", _store.Records[^1].Detail, StringComparison.Ordinal);
        Assert.Equal(ApprovalState.Used, (await _store.ReadAsync(row.IdText)).State);
        Assert.True((await _store.CallAsync(request)).RestoredAccepted);
        Assert.Equal(1, _store.Runs);
    }

    [Fact]
    public async Task A_call_that_fails_leaves_the_approval_for_another_try()
    {
        await _store.InstallFirstAsync();
        var request = ApprovalStore.NewRequest();
        var row = await _store.AskAsync(request);
        await _store.DecideAsync(_store.Word(row, "alice"));
        await _store.DecideAsync(_store.Word(row, "bob"));
        await Assert.ThrowsAsync<InvalidOperationException>(() => _store.CallAsync(request, fails: new InvalidOperationException()));
        Assert.Equal(ApprovalState.Approved, (await _store.ReadAsync(row.IdText)).State);
        Assert.True((await _store.CallAsync(request)).RestoredAccepted);
    }

    [Fact]
    public async Task Replay_is_a_request_of_its_own_and_the_old_approvals_do_not_count_for_it()
    {
        await _store.InstallFirstAsync();
        var request = ApprovalStore.NewRequest();
        var row = await _store.AskAsync(request);
        Approval[] words = [_store.Word(row, "alice"), _store.Word(row, "bob")];
        foreach (var word in words)
        {
            await _store.DecideAsync(word);
        }

        await _store.CallAsync(request);
        // Long after the answer of the first is forgotten, and at once with another request_id.
        Assert.NotEqual(row.Id, (await _store.AskAsync(new AcceptStoreRequest(request) { RequestId = Guid.NewGuid().ToString() })).Id);
        _store.Time.Advance(TimeSpan.FromHours(25));
        Assert.NotEqual(row.Id, (await _store.AskAsync(request)).Id);
        Assert.Contains("already", await _store.RefusedAsync(words[0]), StringComparison.Ordinal);
        Assert.Equal(1, _store.Runs);
    }

    [Fact]
    public async Task A_changed_request_does_not_run_by_the_approval_of_another()
    {
        await _store.InstallFirstAsync();
        var request = ApprovalStore.NewRequest();
        var row = await _store.AskAsync(request);
        await _store.DecideAsync(_store.Word(row, "alice"));
        await _store.DecideAsync(_store.Word(row, "bob"));
        var changed = new AcceptStoreRequest(request) { Clock = true };
        Assert.NotEqual(row.Id, (await _store.AskAsync(changed)).Id);
        Assert.NotEqual(row.Id, (await _store.AskAsync(request, by: "dave")).Id);
        Assert.Equal(0, _store.Runs);
    }

    [Fact]
    public async Task What_does_not_count_is_refused_and_the_record_says_whose_it_was()
    {
        await _store.InstallFirstAsync();
        var mine = await _store.AskAsync(ApprovalStore.NewRequest(), by: "alice");
        Assert.Contains("own request", await _store.RefusedAsync(_store.Word(mine, "alice")), StringComparison.Ordinal);
        Assert.Contains("officer alice", _store.Records[^1].Detail, StringComparison.Ordinal);
        Assert.Contains(mine.IdText, _store.Records[^1].Detail, StringComparison.Ordinal);
        Assert.Contains("no officer dave", await _store.RefusedAsync(_store.Word(mine, "dave")), StringComparison.Ordinal);
        Assert.Contains("not signed by the key", await _store.RefusedAsync(_store.Word(mine, "bob", key: "carol")), StringComparison.Ordinal);
        Assert.Contains("not signed by the key", await _store.RefusedAsync(_store.Word(mine, "alice", key: "bob")), StringComparison.Ordinal);
        Assert.Contains("before the request", await _store.RefusedAsync(_store.Word(mine, "bob", time: _store.Time.GetUtcNow().AddSeconds(-1))), StringComparison.Ordinal);
        Assert.Contains("set the clock", await _store.RefusedAsync(_store.Word(mine, "bob", time: _store.Time.GetUtcNow().AddMinutes(3))), StringComparison.Ordinal);
        await _store.DecideAsync(_store.Word(mine, "bob"));
        Assert.Contains("counts once", await _store.RefusedAsync(_store.Word(mine, "bob")), StringComparison.Ordinal);
        Assert.Equal(ApprovalState.Pending, (await _store.ReadAsync(mine.IdText)).State);

        var elsewhere = ApprovalRequest.Create(
            Enumerable.Repeat((byte)0xEE, 16).ToArray(), mine.Request.Roster.Span, mine.Request.Method, mine.Request.Requester, mine.Request.Created, mine.Request.Expires, mine.Request.Nonce.Span, mine.Request.Parameters);
        var word = Approval.Sign(elsewhere.Digest, "bob", ApprovalDecision.Approve, _store.Time.GetUtcNow(), _store.KeyOf("bob"));
        Assert.Contains("another installation", await _store.RefusedAsync(word), StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_its_end_it_is_neither_decided_nor_done()
    {
        await _store.InstallFirstAsync();
        var request = ApprovalStore.NewRequest();
        var row = await _store.AskAsync(request);
        await _store.DecideAsync(_store.Word(row, "alice"));
        _store.Time.Advance(QuorumGate.Life - TimeSpan.FromSeconds(1));
        await _store.DecideAsync(_store.Word(row, "bob"));
        _store.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Contains("ended", await _store.RefusedAsync(_store.Word(row, "carol")), StringComparison.Ordinal);
        Assert.NotEqual(row.Id, (await _store.AskAsync(request)).Id);
        Assert.Equal(0, _store.Runs);
    }

    [Fact]
    public async Task A_disabled_officer_decides_nothing_and_an_approval_from_before_does_not_count_any_more()
    {
        await _store.InstallFirstAsync();
        var request = ApprovalStore.NewRequest();
        var row = await _store.AskAsync(request);
        await _store.DecideAsync(_store.Word(row, "alice"));
        await _store.DecideAsync(_store.Word(row, "bob"));
        _store.Disable("bob");
        await _store.AskAsync(request);
        Assert.Contains("disabled", await _store.RefusedAsync(_store.Word(row, "bob", ApprovalDecision.Reject)), StringComparison.Ordinal);
        await _store.DecideAsync(_store.Word(row, "carol"));
        await _store.CallAsync(request);
        Assert.Contains("by alice, carol", _store.Records[^1].Detail, StringComparison.Ordinal);
        Assert.Equal(1, _store.Runs);
    }

    [Fact]
    public async Task One_rejection_ends_it_even_by_who_approved()
    {
        await _store.InstallFirstAsync();
        var request = ApprovalStore.NewRequest();
        var row = await _store.AskAsync(request);
        await _store.DecideAsync(_store.Word(row, "alice"));
        await _store.DecideAsync(_store.Word(row, "bob"));
        Assert.Equal(ApprovalState.Rejected, (await _store.DecideAsync(_store.Word(row, "bob", ApprovalDecision.Reject))).State);
        var refusal = await Assert.ThrowsAsync<Refusal>(() => _store.CallAsync(request));
        Assert.Equal(Reason.RequestRejected, refusal.Reason);
        Assert.Contains("bob", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("rejected", await _store.RefusedAsync(_store.Word(row, "carol")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_approved_under_a_roster_dies_with_it()
    {
        var first = await _store.InstallFirstAsync();
        var request = ApprovalStore.NewRequest();
        var row = await _store.AskAsync(request);
        await _store.DecideAsync(_store.Word(row, "alice"));
        await _store.DecideAsync(_store.Word(row, "bob"));
        _store.Time.Advance(TimeSpan.FromMinutes(1));
        await _store.InstallAsync(Next(first, "alice", "bob", "carol"));
        Assert.Contains("another roster", await _store.RefusedAsync(_store.Word(row, "carol")), StringComparison.Ordinal);
        Assert.NotEqual(row.Id, (await _store.AskAsync(request)).Id);
        Assert.Equal(0, _store.Runs);
    }

    [Fact]
    public async Task A_request_that_cannot_be_shown_is_refused()
    {
        await _store.InstallFirstAsync();
        var request = ApprovalStore.NewRequest();
        var unknown = AcceptStoreRequest.Parser.ParseFrom([.. Google.Protobuf.MessageExtensions.ToByteArray(request), 0x98, 0x06, 0x01]);
        Assert.Equal(Reason.InvalidArgument, (await Assert.ThrowsAsync<Refusal>(() => _store.CallAsync(unknown))).Reason);
        Assert.Equal(Reason.InvalidArgument, (await Assert.ThrowsAsync<Refusal>(() => _store.CallAsync(ApprovalStore.NewRequest("\ufffd")))).Reason);
    }

    [Fact]
    public async Task Nobody_buries_officers_under_requests()
    {
        await _store.InstallFirstAsync();
        for (var i = 0; i < QuorumGate.MostOpen; i++)
        {
            await _store.AskAsync(ApprovalStore.NewRequest());
        }

        var refusal = await Assert.ThrowsAsync<Refusal>(() => _store.CallAsync(ApprovalStore.NewRequest()));
        Assert.Equal(Reason.Overloaded, refusal.Reason);
        await _store.AskAsync(ApprovalStore.NewRequest(), by: "dave");
        _store.Time.Advance(QuorumGate.Life);
        await _store.AskAsync(ApprovalStore.NewRequest());
    }

    [Fact]
    public async Task Exceptions_alone_need_it_where_the_call_says_so()
    {
        await _store.InstallFirstAsync();
        await _store.CallAsync(ApprovalStore.NewRequest(), rule: QuorumRule.Exceptions);
        var refusal = await Assert.ThrowsAsync<Refusal>(() => _store.CallAsync(ApprovalStore.NewRequest(), rule: QuorumRule.Exceptions, isException: true));
        Assert.Equal(Reason.PendingApproval, refusal.Reason);
    }

    [Theory]
    [InlineData("UPDATE approvals SET state = 2")]
    [InlineData("UPDATE approvals SET expires_at = expires_at + 1")]
    [InlineData("DELETE FROM approvals")]
    [InlineData("DELETE FROM officer_rosters")]
    [InlineData("UPDATE officer_rosters SET installed_by = 'dave'")]
    public async Task What_is_edited_past_the_service_is_found(string sql)
    {
        await _store.InstallFirstAsync();
        var request = ApprovalStore.NewRequest();
        await _store.AskAsync(request);
        _store.File.Edit(sql);
        await Assert.ThrowsAsync<StoreTamperedException>(() => _store.CallAsync(request));
        Assert.Equal(0, _store.Runs);
    }

    [Fact]
    public async Task Rosters_follow_on_each_other_or_are_refused()
    {
        var first = _store.First("alice", "bob", "carol");
        await RefusedAsync(SignedRoster.Of(first.Roster), "did not accept");
        await RefusedAsync(Next(first.Roster, "alice", "bob"), "does not name");
        await RefusedAsync(_store.First("alice", "bob") is var two ? SignedRoster.Of(two.Roster).Sign(true, "alice", _store.KeyOf("bob")) : two, "does not verify");
        var other = Roster.Create(Enumerable.Repeat((byte)0xEE, 16).ToArray(), null, _store.Time.GetUtcNow(), default, [_store.OfficerOf("alice"), _store.OfficerOf("bob")]);
        await RefusedAsync(SignedRoster.Of(other).Sign(true, "alice", _store.KeyOf("alice")).Sign(true, "bob", _store.KeyOf("bob")), "for installation eeee");
        await _store.InstallAsync(first);
        await RefusedAsync(first, "does not name");

        await _store.AskAsync(ApprovalStore.NewRequest());
        await RefusedAsync(Next(first.Roster, "alice", "bob"), "later begin");
        _store.Time.Advance(TimeSpan.FromMinutes(1));
        var one = Roster.Create(_store.Installation, first.Roster, _store.Time.GetUtcNow(), default, [_store.OfficerOf("alice"), _store.OfficerOf("bob")]);
        await RefusedAsync(SignedRoster.Of(one).Sign(accepts: false, "alice", _store.KeyOf("alice")), "fewer officers");
        _store.Disable("carol");
        await RefusedAsync(SignedRoster.Of(one).Sign(false, "alice", _store.KeyOf("alice")).Sign(false, "carol", _store.KeyOf("carol")), "carol, who signed it, is disabled");
        await RefusedAsync(Next(first.Roster, "alice", "carol"), "carol is no principal of type person here, or is disabled");
        await _store.InstallAsync(Next(first.Roster, "alice", "bob"));
    }

    private SignedRoster Next(Roster previous, params string[] officers)
    {
        var roster = Roster.Create(_store.Installation, previous, _store.Time.GetUtcNow(), default, officers.Select(_store.OfficerOf));
        return SignedRoster.Of(roster).Sign(accepts: false, "alice", _store.KeyOf("alice")).Sign(accepts: false, "bob", _store.KeyOf("bob"));
    }

    private async Task RefusedAsync(SignedRoster roster, string why)
    {
        var refusal = await Assert.ThrowsAsync<Refusal>(() => _store.InstallAsync(roster));
        Assert.Equal(Reason.RosterRefused, refusal.Reason);
        Assert.Contains(why, refusal.Message, StringComparison.Ordinal);
    }
}
