using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Holdings;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using DependencyKind = KeyService.Server.Holdings.DependencyKind;

namespace KeyService.Tests.Holdings;

/// <summary>What counts as needing a key version: everything that was reported, and everything that nobody looked at.</summary>
public sealed class DependencyTests : IAsyncLifetime
{
    private HoldingsStore _store = null!;

    public async ValueTask InitializeAsync() => _store = await HoldingsStore.OpenAsync();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task A_key_without_a_registered_holding_is_needed_by_what_nobody_knows() =>
        Assert.Equal(["NothingRegistered ehr/patient"], await _store.NeededByAsync(_store.Old));

    [Fact]
    public async Task A_holding_that_was_never_scanned_counts_as_needing_the_version()
    {
        await _store.RegisterAsync("labs");
        Assert.Equal(["HoldingNotScanned labs"], await _store.NeededByAsync(_store.Old));
    }

    [Fact]
    public async Task A_whole_scan_without_items_frees_the_version_and_one_with_items_does_not()
    {
        await _store.RegisterAsync("labs");
        await _store.ScanAsync("labs", old: 3);
        Assert.Equal(["HoldingItems labs"], await _store.NeededByAsync(_store.Old));
        await _store.ScanAsync("labs", old: 0);
        Assert.Empty(await _store.NeededByAsync(_store.Old));
    }

    [Fact]
    public async Task The_active_version_is_always_needed()
    {
        await _store.RegisterAsync("labs");
        await _store.ScanAsync("labs", old: 0, active: 0);
        Assert.Contains("Active ehr/patient", await _store.NeededByAsync(_store.Active));
    }

    [Fact]
    public async Task A_partial_scan_adds_to_what_is_known_and_takes_nothing_away()
    {
        await _store.RegisterAsync("labs");
        await _store.ScanAsync("labs", old: 5);
        await _store.ReportAsync("labs", ScanPhase.Progress, counts: new Dictionary<KeyVersionId, long> { [_store.Old] = 0 });
        Assert.Equal(["HoldingItems labs"], await _store.NeededByAsync(_store.Old));
        await _store.ScanAsync("labs", old: 0);
        await _store.ReportAsync("labs", ScanPhase.Progress, counts: new Dictionary<KeyVersionId, long> { [_store.Old] = 2 });
        Assert.Equal(["HoldingItems labs"], await _store.NeededByAsync(_store.Old));
    }

    [Fact]
    public async Task A_scan_that_began_while_the_version_was_active_frees_nothing()
    {
        var other = await HoldingsStore.OpenAsync();
        await using var _ = other;
        await other.RegisterAsync("labs");
        // The old version stopped protecting a minute ago: this scan began two minutes earlier, by the clock of the service.
        other.Time.Advance(TimeSpan.FromMinutes(-2));
        var begun = await other.ReportAsync("labs", ScanPhase.Begin);
        other.Time.Advance(TimeSpan.FromMinutes(3));
        await other.ReportAsync("labs", ScanPhase.Complete, begun.ScanId);
        Assert.Equal(["HoldingNotScanned labs"], await other.NeededByAsync(other.Old));
    }

    [Fact]
    public async Task A_write_once_holding_pins_what_it_ever_held_until_its_retention_ends()
    {
        await _store.RegisterAsync("tapes", writeOnceUntil: _store.Time.GetUtcNow().AddDays(30));
        await _store.ScanAsync("tapes", old: 4);
        await _store.ScanAsync("tapes", old: 0);
        Assert.Equal(["HoldingPinned tapes"], await _store.NeededByAsync(_store.Old));
        var refusal = await Assert.ThrowsAsync<Refusal>(() => _store.CommitAsync(transaction => _store.Holdings.RetireAsync(transaction, "tapes")));
        Assert.Equal(Reason.StillNeeded, refusal.Reason);
        _store.Time.Advance(TimeSpan.FromDays(31));
        Assert.Empty(await _store.NeededByAsync(_store.Old));
    }

    [Fact]
    public async Task A_holding_of_other_keys_counts_only_by_what_it_reported()
    {
        await _store.RegisterAsync("labs");
        await _store.ScanAsync("labs", old: 0);
        await _store.RegisterAsync("elsewhere", pattern: "other/*");
        Assert.Empty(await _store.NeededByAsync(_store.Old));
        await _store.ScanAsync("elsewhere", old: 1);
        Assert.Equal(["HoldingItems elsewhere"], await _store.NeededByAsync(_store.Old));
        await _store.CommitAsync(transaction => _store.Holdings.RetireAsync(transaction, "elsewhere"));
        Assert.Empty(await _store.NeededByAsync(_store.Old));
    }

    [Fact]
    public async Task What_another_capability_knows_of_counts_too()
    {
        await _store.RegisterAsync("labs");
        await _store.ScanAsync("labs", old: 0);
        _store.Sources.Add((_, _) => Task.FromResult<IReadOnlyList<Dependency>>([new Dependency(DependencyKind.Backup, "tape-7", "holds it")]));
        Assert.Equal(["Backup tape-7"], await _store.NeededByAsync(_store.Old));
    }

    [Fact]
    public async Task Only_the_owner_reports_and_only_the_scan_that_began_last_ends()
    {
        await _store.RegisterAsync("labs");
        Assert.Equal(Reason.AccessDenied, (await Assert.ThrowsAsync<Refusal>(() => _store.ReportAsync("labs", ScanPhase.Begin, by: "root-admin"))).Reason);
        Assert.Equal(Reason.AccessDenied, (await Assert.ThrowsAsync<Refusal>(() => _store.ReportAsync("absent", ScanPhase.Begin))).Reason);
        var first = await _store.ReportAsync("labs", ScanPhase.Begin);
        var second = await _store.ReportAsync("labs", ScanPhase.Begin);
        Assert.Equal(Reason.NotFound, (await Assert.ThrowsAsync<Refusal>(() => _store.ReportAsync("labs", ScanPhase.Complete, first.ScanId))).Reason);
        await _store.ReportAsync("labs", ScanPhase.Complete, second.ScanId);
        Assert.Equal(Reason.NotFound, (await Assert.ThrowsAsync<Refusal>(() => _store.ReportAsync("labs", ScanPhase.Complete, second.ScanId))).Reason);
    }

    [Fact]
    public async Task Items_of_versions_that_the_service_does_not_know_are_counted_apart()
    {
        await _store.RegisterAsync("labs");
        var begun = await _store.ReportAsync("labs", ScanPhase.Begin);
        var done = await _store.ReportAsync(
            "labs", ScanPhase.Complete, begun.ScanId, new Dictionary<KeyVersionId, long> { [_store.Active] = 2, [KeyVersionId.NewRandom()] = 9 });
        Assert.Equal(9, done.Holding.UnknownItems);
        Assert.Equal([2L], done.Holding.Counts.Select(count => count.Items));
    }

    [Theory]
    [InlineData("UPDATE holding_versions SET items = 0 WHERE items > 0")]
    [InlineData("UPDATE holdings SET retired = 1")]
    [InlineData("UPDATE holdings SET scanned_from = scanned_from + 1")]
    [InlineData("DELETE FROM holding_versions")]
    [InlineData("DELETE FROM holding_versions; DELETE FROM holdings")]
    public async Task Whoever_edits_the_register_past_the_service_frees_nothing(string sql)
    {
        await _store.RegisterAsync("labs");
        await _store.ScanAsync("labs", old: 3);
        _store.File.Edit(sql);
        await Assert.ThrowsAsync<StoreTamperedException>(() => _store.NeededByAsync(_store.Old));
    }
}
