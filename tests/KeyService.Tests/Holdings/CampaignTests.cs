using KeyService.Protocol.V1;
using KeyService.Server.Holdings;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using CampaignProof = KeyService.Protocol.V1.CampaignProof;
using CampaignState = KeyService.Protocol.V1.CampaignState;

namespace KeyService.Tests.Holdings;

/// <summary>When a campaign may end: with everything scanned that may hold the key, after it began, and nothing left.</summary>
public sealed class CampaignTests : IAsyncLifetime
{
    private HoldingsStore _store = null!;

    public async ValueTask InitializeAsync() => _store = await HoldingsStore.OpenAsync();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task It_takes_every_version_that_is_neither_active_nor_waiting()
    {
        Assert.Equal([_store.Old], (await _store.StartCampaignAsync("all")).Versions);
        Assert.Equal([_store.Old], (await _store.StartCampaignAsync("one", _store.Old)).Versions);
        Assert.Equal(Reason.KeyState, (await Assert.ThrowsAsync<Refusal>(() => _store.StartCampaignAsync("two", _store.Active))).Reason);
        Assert.Equal(Reason.AlreadyExists, (await Assert.ThrowsAsync<Refusal>(() => _store.StartCampaignAsync("one", _store.Old))).Reason);
        Assert.Equal(
            Reason.InvalidArgument, (await Assert.ThrowsAsync<Refusal>(() => _store.StartCampaignAsync("three", _store.Old, _store.Old))).Reason);
    }

    [Fact]
    public async Task Nothing_registered_is_no_proof()
    {
        await _store.StartCampaignAsync("move");
        var refusal = await Assert.ThrowsAsync<Refusal>(() => _store.EndCampaignAsync("move"));
        Assert.Equal(Reason.StillNeeded, refusal.Reason);
        Assert.Contains("no holding is registered", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_says_what_is_missing_until_nothing_is_and_then_gives_its_proof()
    {
        await _store.RegisterAsync("labs");
        await _store.RegisterAsync("notes", pattern: "ehr/*");
        await _store.ScanAsync("labs", old: 0);
        _store.Time.Advance(TimeSpan.FromSeconds(1));
        await _store.StartCampaignAsync("move");

        var before = await Assert.ThrowsAsync<Refusal>(() => _store.EndCampaignAsync("move"));
        Assert.Contains("labs: no complete scan that began after the campaign did; notes: no complete scan", before.Message, StringComparison.Ordinal);
        await _store.ScanAsync("labs", old: 0);
        await _store.ScanAsync("notes", old: 7);
        Assert.Contains("notes: 7 items left", (await Assert.ThrowsAsync<Refusal>(() => _store.EndCampaignAsync("move"))).Message, StringComparison.Ordinal);
        await _store.ScanAsync("notes", old: 0);

        var ended = await _store.EndCampaignAsync("move");
        Assert.Equal(CampaignState.Proven, ended.Campaign.State);
        Assert.Equal($"Nothing registered needs version {_store.Old} of ehr/patient.", ended.Proof.Statement);
        Assert.Equal(["labs", "notes"], ended.Proof.Holdings.Select(each => each.Holding));
        Assert.All(ended.Proof.Holdings, each => Assert.True(each.ScanBeginTime.ToDateTimeOffset() >= ended.Campaign.StartTime.ToDateTimeOffset()));
        Assert.True(ended.Proof.NothingPinned);
        Assert.Equal(64, ended.ProofSha256.Length);

        var stored = await _store.Store.ReadAsync(
            connection => new CampaignTables(_store.Rows).FindAsync(connection, null, "move", CancellationToken.None), CancellationToken.None);
        Assert.Equal(ended.Proof, CampaignProof.Parser.ParseFrom(stored!.Proof));
        Assert.Equal(Reason.InvalidArgument, (await Assert.ThrowsAsync<Refusal>(() => _store.EndCampaignAsync("move"))).Reason);
    }

    [Fact]
    public async Task A_write_once_holding_is_named_in_the_proof_as_pinned()
    {
        await _store.RegisterAsync("tapes", writeOnceUntil: _store.Time.GetUtcNow().AddDays(400));
        await _store.StartCampaignAsync("move");
        await _store.ScanAsync("tapes", old: 2);
        Assert.Contains(
            "tapes: write-once with 2 items", (await Assert.ThrowsAsync<Refusal>(() => _store.EndCampaignAsync("move"))).Message, StringComparison.Ordinal);
        var ended = await _store.EndCampaignAsync("move", acceptPinned: true);
        Assert.False(ended.Proof.NothingPinned);
        Assert.EndsWith("but for write-once holdings until their retention ends: tapes.", ended.Proof.Statement, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_up_it_proves_nothing()
    {
        await _store.StartCampaignAsync("move");
        var ended = await _store.EndCampaignAsync("move", abandon: true);
        Assert.Equal(CampaignState.Abandoned, ended.Campaign.State);
        Assert.Null(ended.Proof);
        Assert.Empty(ended.ProofSha256);
    }

    [Fact]
    public async Task A_retired_holding_that_had_something_is_named_in_the_proof()
    {
        await _store.RegisterAsync("gone");
        await _store.ScanAsync("gone", old: 5);
        await _store.RegisterAsync("labs");
        await _store.StartCampaignAsync("move");
        await _store.ScanAsync("labs", old: 0);
        await _store.CommitAsync(transaction => _store.Holdings.RetireAsync(transaction, "gone"));
        Assert.Equal(["gone"], (await _store.EndCampaignAsync("move")).Proof.RetiredHoldings);
    }
}
