using KeyService.Protocol.V1;
using KeyService.Server.Alarms;
using KeyService.Server.Destruction;
using KeyService.Server.Holdings;
using KeyService.Server.Keys;
using KeyService.Server.Storage;
using KeyService.Tests.Holdings;
using Microsoft.Extensions.Logging.Abstractions;
using DependencyKind = KeyService.Protocol.V1.DependencyKind;
using DestructionState = KeyService.Server.Destruction.DestructionState;

namespace KeyService.Tests.Destruction;

/// <summary>What becomes of a destruction that waits: it never destroys anything, and anything that needs the version ends it.</summary>
public sealed class DestructionWatchTests : IAsyncLifetime
{
    private const ulong Id = 0xA1;

    private readonly VersionUses _uses = new();
    private HoldingsStore _store = null!;
    private DestructionTable _table = null!;
    private DestructionScan _scan = null!;
    private DestructionWatch _watch = null!;

    public async ValueTask InitializeAsync()
    {
        _store = await HoldingsStore.OpenAsync();
        _table = new DestructionTable(_store.Rows);
        _scan = new DestructionScan(
            _store.Store, _store.Rows, _store.Dependencies, [(_, _) => Task.FromResult<IReadOnlyList<string>>(["bundle 7 in vault-2"])], _store.Time);
        _watch = new DestructionWatch(
            _store.Store, _store.Rows, _uses, _scan, new AlarmOutlet(NullLogger<AlarmOutlet>.Instance), _store.Time, NullLogger<DestructionWatch>.Instance);
        _store.Sources.Add(new DestructionUse(_store.Store, _store.Rows, _store.Time).OfVersionAsync);
        await _store.RegisterAsync("labs");
        await _store.ScanAsync("labs", old: 0);
    }

    public async ValueTask DisposeAsync()
    {
        _watch.Dispose();
        await _store.DisposeAsync();
    }

    [Fact]
    public async Task Before_the_waiting_period_ends_it_waits()
    {
        await ScheduleAsync(days: 7);
        _store.Time.Advance(TimeSpan.FromDays(7) - TimeSpan.FromSeconds(1));
        await _watch.RunOnceAsync(CancellationToken.None);
        Assert.Equal(DestructionState.Waiting, (await ReadAsync()).State);
    }

    [Fact]
    public async Task Needed_by_nothing_it_stands_as_pending_approval_and_its_certificate_says_what_it_is_not()
    {
        await ScheduleAsync(days: 7);
        _store.Time.Advance(TimeSpan.FromDays(7));
        await _watch.RunOnceAsync(CancellationToken.None);

        var row = await ReadAsync();
        Assert.Equal(DestructionState.PendingApproval, row.State);
        Assert.Null(row.EndTime);
        var certificate = DestructionCertificate.Parser.ParseFrom(row.Certificate);
        Assert.False(certificate.Destroyed);
        Assert.False(certificate.Complete);
        Assert.StartsWith("Nothing is destroyed", certificate.Statement, StringComparison.Ordinal);
        Assert.Equal(_store.Old.ToString(), Assert.Single(certificate.Versions).Id);
        Assert.Equal(KeyService.Protocol.V1.KeyState.Deactivated, certificate.Versions[0].State);
        Assert.Equal(["bundle 7 in vault-2", "every dump, replica and file backup of this store"], certificate.Copies.Select(copy => copy.Place));
        Assert.All(certificate.Copies, copy => Assert.False(copy.Attested));
    }

    [Fact]
    public async Task What_comes_to_need_the_version_meanwhile_ends_it_without_destroying_anything()
    {
        await ScheduleAsync(days: 7);
        await _store.ScanAsync("labs", old: 2);
        _store.Time.Advance(TimeSpan.FromDays(8));
        await _watch.RunOnceAsync(CancellationToken.None);

        var row = await ReadAsync();
        Assert.Equal(DestructionState.Blocked, row.State);
        var dependency = Assert.Single(DestructionCertificate.Parser.ParseFrom(row.Certificate).Dependencies);
        Assert.Equal((DependencyKind.HoldingItems, "labs", 2L), (dependency.Kind, dependency.Subject, dependency.Items));
        await _watch.RunOnceAsync(CancellationToken.None);
        Assert.Equal(row.Revision, (await ReadAsync()).Revision);
    }

    [Fact]
    public async Task A_use_in_the_last_week_counts_against_it_and_an_earlier_one_does_not()
    {
        await ScheduleAsync(days: 30);
        await _watch.RunOnceAsync(CancellationToken.None);
        _uses.Note(_store.Old);
        _uses.Note(_store.Old);
        _uses.Note(_store.Active);
        await _watch.RunOnceAsync(CancellationToken.None);
        Assert.Equal(2, (await ReadAsync()).Uses);
        Assert.Equal(["Used ehr/patient"], await _store.NeededByAsync(_store.Old));

        _store.Time.Advance(TimeSpan.FromDays(30));
        Assert.Empty(await _store.NeededByAsync(_store.Old));
        _uses.Note(_store.Old);
        await _watch.RunOnceAsync(CancellationToken.None);
        Assert.Equal(DestructionState.Blocked, (await ReadAsync()).State);
        Assert.Equal(3, (await ReadAsync()).Uses);
    }

    [Fact]
    public void Only_what_waits_is_counted_and_what_was_counted_is_kept()
    {
        _uses.Note(_store.Old);
        Assert.Empty(_uses.Take());
        _uses.WatchAlso([_store.Old]);
        _uses.Note(_store.Old);
        _uses.WatchAlso([_store.Active]);
        _uses.Note(_store.Active);
        Assert.Equal([1L, 1L], _uses.Take().Values);
        Assert.Empty(_uses.Take());
        _uses.GiveBack(_store.Old, 5);
        Assert.Equal(5, _uses.Take()[_store.Old]);
        _uses.Watch([]);
        _uses.Note(_store.Old);
        Assert.Empty(_uses.Take());
    }

    [Theory]
    [InlineData("UPDATE destructions SET due_at = asked_at + 1")]
    [InlineData("UPDATE destructions SET state = 2")]
    [InlineData("DELETE FROM destructions")]
    public async Task Whoever_edits_a_destruction_past_the_service_hastens_nothing(string sql)
    {
        await ScheduleAsync(days: 7);
        _store.File.Edit(sql);
        await Assert.ThrowsAsync<StoreTamperedException>(() => _watch.RunOnceAsync(CancellationToken.None));
    }

    private async Task ScheduleAsync(int days)
    {
        var now = _store.Time.GetUtcNow();
        var row = new DestructionRow(
            Id, HoldingsStore.Key, [_store.Old], WholeKey: false, "of no use any more", DestructionState.Waiting, "root-admin", now, now.AddDays(days),
            EndedBy: null, EndTime: null, Uses: 0, LastUseTime: null, Certificate: [], Revision: 1);
        Assert.Empty(await _scan.DependenciesAsync(row.Versions, CancellationToken.None));
        row = row with { Certificate = await _scan.CertifyAsync(row, [], CancellationToken.None) };
        await _store.CommitAsync(async transaction =>
        {
            await _table.InsertAsync(transaction, row);
            return true;
        });
    }

    private async Task<DestructionRow> ReadAsync() =>
        (await _store.Store.ReadAsync(connection => _table.FindAsync(connection, null, Id, CancellationToken.None), CancellationToken.None))!;
}
