using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Places;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Alarms;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Places;

/// <summary>A credential that is used from more places than its policy allows.</summary>
public sealed class PlaceTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private readonly PlaceRegister _register = new();
    private SqliteStore _store = null!;
    private AlarmServer _alarms = null!;
    private PlaceWatch _watch = null!;

    private static PlacePolicy Policy => new()
    {
        Principal = "ehr", Most = 2, Window = TimeSpan.FromHours(24), Ipv4Prefix = 24, Ipv6Prefix = 56, Revision = 1,
    };

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        _alarms = new AlarmServer(_store, _rows, TimeProvider.System);
        _register.Take([Policy]);
        _watch = NewWatch();
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Theory]
    [InlineData("192.0.2.77:4711", "192.0.2.0/24")]
    [InlineData("[2001:db8:1:2ff::1]:4711", "2001:db8:1:200::/56")]
    [InlineData("[::ffff:192.0.2.77]:4711", "192.0.2.0/24")]
    [InlineData("unix", "unix")]
    [InlineData("unknown", null)]
    [InlineData("", null)]
    public void A_place_is_a_network(string source, string? place) => Assert.Equal(place, Place.Of(source, Policy));

    [Fact]
    public void A_prefix_may_end_within_a_byte()
    {
        Assert.Equal("10.255.240.0/20", Place.Of("10.255.255.255:1", Policy with { Ipv4Prefix = 20 }));
        Assert.Equal("10.255.255.255/32", Place.Of("10.255.255.255:1", Policy with { Ipv4Prefix = 32 }));
    }

    [Fact]
    public async Task One_place_too_many_raises_an_event_and_an_alarm_and_refuses_nobody()
    {
        await UseAsync("192.0.2.1:1", "192.0.2.200:2", "198.51.100.1:1");
        Assert.Empty(_alarms.View.Open());
        await UseAsync("203.0.113.9:1");
        var alarm = Assert.Single(_alarms.View.Open());
        Assert.Equal((AlarmKind.CredentialAtNewPlace, "ehr"), (alarm.Kind, alarm.Subject));
        Assert.Contains("203.0.113.0/24", alarm.Message, StringComparison.Ordinal);
        Assert.Equal(
            [
                "place-noted ehr from 192.0.2.0/24, place 1 within 1.00:00:00; the policy allows 2",
                "place-noted ehr from 198.51.100.0/24, place 2 within 1.00:00:00; the policy allows 2",
                "credential-at-new-place ehr from 203.0.113.0/24, place 3 within 1.00:00:00; the policy allows 2",
            ],
            await RecordsAsync());
    }

    [Fact]
    public async Task Places_count_over_all_servers()
    {
        var other = NewWatch();
        await UseAsync("192.0.2.1:1", "198.51.100.1:1");
        other.Note("ehr", From("203.0.113.9:1"));
        await other.WorkAsync(CancellationToken.None);
        Assert.Equal(AlarmKind.CredentialAtNewPlace, Assert.Single(_alarms.View.Open()).Kind);
    }

    [Fact]
    public async Task A_place_of_before_the_window_does_not_count_and_the_alarm_ends_with_it()
    {
        await UseAsync("192.0.2.1:1", "198.51.100.1:1", "203.0.113.9:1");
        Assert.True(_alarms.View.Find(AlarmKind.CredentialAtNewPlace, "ehr")!.Stands);
        _time.Advance(TimeSpan.FromHours(25));
        await UseAsync("192.0.2.1:1");
        Assert.False(_alarms.View.Find(AlarmKind.CredentialAtNewPlace, "ehr")!.Stands);
    }

    [Fact]
    public async Task A_known_place_is_written_again_once_in_a_twentieth_of_the_window()
    {
        await UseAsync("192.0.2.1:1");
        var before = _store.LastSequence;
        for (var i = 0; i < 71; i++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            await UseAsync("192.0.2.1:1");
        }

        Assert.Equal(before, _store.LastSequence);
        _time.Advance(TimeSpan.FromMinutes(1));
        await UseAsync("192.0.2.1:1");
        Assert.Equal(before + 1, _store.LastSequence);
    }

    [Fact]
    public async Task Who_has_no_policy_is_not_watched()
    {
        var before = _store.LastSequence;
        _watch.Note("other", From("192.0.2.1:1"));
        _register.Apply(Policy with { Most = 0, Revision = 2 });
        await UseAsync("192.0.2.1:1");
        Assert.Equal(before, _store.LastSequence);
    }

    [Fact]
    public async Task A_policy_changed_or_removed_outside_the_service_is_found()
    {
        var tables = new PlaceTables(_rows);
        await _store.CommitAsync(new AuditRecordDraft(AuditEvent.PlacePolicySet), transaction => tables.WriteAsync(transaction, Policy), CancellationToken.None);
        Assert.Equal(Policy, Assert.Single(await _store.ReadAsync(connection => tables.ListPoliciesAsync(connection, CancellationToken.None), CancellationToken.None)));
        _file.Edit("UPDATE place_policies SET most = 100");
        await Assert.ThrowsAsync<StoreTamperedException>(() => _store.ReadAsync(connection => tables.ListPoliciesAsync(connection, CancellationToken.None), CancellationToken.None));
        _file.Edit("DELETE FROM place_policies");
        await Assert.ThrowsAsync<StoreTamperedException>(() => _store.ReadAsync(connection => tables.ListPoliciesAsync(connection, CancellationToken.None), CancellationToken.None));
    }

    private PlaceWatch NewWatch() => new(_register, _store, _rows, _alarms.Outlet, _time, NullLogger<PlaceWatch>.Instance);

    private async Task UseAsync(params string[] sources)
    {
        foreach (var source in sources)
        {
            _watch.Note("ehr", From(source));
        }

        await _watch.WorkAsync(CancellationToken.None);
    }

    private static Peer From(string source) => new("mtls", [Credential.OfUid(1)], source, DateTimeOffset.MaxValue);

    private async Task<IReadOnlyList<string>> RecordsAsync()
    {
        var log = new AuditLog(_store).Pin();
        var lines = new List<string>();
        foreach (var entry in await log.ReadAsync(0, log.LastSequence, CancellationToken.None))
        {
            Assert.True(AuditRecord.TryParse(entry.Record, out var record));
            lines.Add($"{AuditEvents.NameOf((AuditEvent)record!.EventId)} {record.Principal} {record.Detail}");
        }

        return [.. lines.Where(line => line.Contains(" ehr from ", StringComparison.Ordinal))];
    }
}
