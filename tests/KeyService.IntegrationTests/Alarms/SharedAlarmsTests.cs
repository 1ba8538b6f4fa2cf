using KeyService.IntegrationTests.Storage;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Certificates;
using KeyService.Server.Hosting;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Tests.Alarms;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Alarm = KeyService.Server.Alarms.Alarm;

namespace KeyService.IntegrationTests.Alarms;

/// <summary>
/// Two servers on one PostgreSQL database that find the same and each its own: an alarm is told by one of them, log and webhook alike, and read by both. What a
/// server tells, <see cref="AlarmServer.Told"/> counts: a line of log is written and the webhook given the news in one place.
/// </summary>
public sealed class SharedAlarmsTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private readonly TestTime _time = new();
    private PostgresDatabase _database = null!;
    private PostgresStore _oneStore = null!;
    private PostgresStore _otherStore = null!;
    private AlarmServer _one = null!;
    private AlarmServer _other = null!;

    public async ValueTask InitializeAsync()
    {
        var rows = SoftwareRows.Of();
        _database = await PostgresDatabase.MakeAsync(postgres);
        _oneStore = _database.Open(_time);
        await SoftwareRows.InstallAsync(_oneStore, rows);
        _otherStore = _database.Open(_time);
        _one = new AlarmServer(_oneStore, rows, _time);
        _other = new AlarmServer(_otherStore, rows, _time);
        await BothLookAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _oneStore.DisposeAsync();
        await _otherStore.DisposeAsync();
    }

    [Fact]
    public async Task What_both_find_at_once_is_one_alarm_told_once_and_over_once()
    {
        for (var i = 0; i < 20; i++)
        {
            var subject = $"ehr/{i}";
            await Task.WhenAll(_one.RaiseAsync(subject: subject), _other.RaiseAsync(subject: subject));
        }

        Assert.Equal((20, 20), ((await OpenAsync(_one)).Count, _one.Told.Raised + _other.Told.Raised));
        await BothLookAsync();
        for (var i = 0; i < 20; i++)
        {
            var subject = $"ehr/{i}";
            await Task.WhenAll(_one.ClearAsync(subject: subject), _other.ClearAsync(subject: subject));
        }

        Assert.Equal(20, _one.Told.Cleared + _other.Told.Cleared);
    }

    [Fact]
    public async Task What_one_raised_and_acknowledged_the_others_list_shows_at_once_and_its_memory_after_a_look()
    {
        await _one.RaiseAsync();
        var alarm = Assert.Single(await OpenAsync(_other));
        Assert.Empty(_other.View.Open());
        await _other.LookAsync();
        Assert.Equal(alarm, Assert.Single(_other.View.Open()));

        await AcknowledgeAsync(_otherStore, _other, alarm.Id);
        Assert.NotNull(Assert.Single(await OpenAsync(_one)).Acknowledgement);
        // One still has it in memory as it was, and changes what stands in the database.
        await _one.ClearAsync();
        Assert.Empty(await OpenAsync(_other));
        Assert.Equal((1, 1), (_other.Told.Acknowledged, _one.Told.Cleared));
    }

    [Fact]
    public async Task One_of_them_tells_again_and_another_when_that_one_loses_the_role()
    {
        await _one.RaiseAsync();
        for (var times = 1; times <= 3; times++)
        {
            _time.Advance(AlarmServer.RepeatEvery);
            await BothLookAsync();
            await BothLookAsync();
            Assert.Equal(times, _one.Told.Repeated + _other.Told.Repeated);
            await _database.EditAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'keyservice role%'");
        }

        await AcknowledgeAsync(_otherStore, _other, Assert.Single(await OpenAsync(_other)).Id);
        _time.Advance(AlarmServer.RepeatEvery);
        await BothLookAsync();
        Assert.Equal(3, _one.Told.Repeated + _other.Told.Repeated);
    }

    [Fact]
    public async Task What_one_finds_of_a_certificate_that_it_alone_knows_stays_while_the_other_goes_on_finding_nothing()
    {
        var access = new AccessRegister(_time);
        access.Apply(new Principal
        {
            Name = "backup",
            Type = PrincipalType.Service,
            Credential = new Credential(CredentialKind.CertificateSanUri, "keyservice:principal/backup"),
            Disabled = false,
            CreateTime = DateTimeOffset.UnixEpoch,
            Revision = 1,
        });
        using var one = Watch(_one, access, endsInDays: 20);
        using var other = Watch(_other, access, endsInDays: 360);
        for (var hour = 0; hour < 5; hour++)
        {
            await one.LookAsync(CancellationToken.None);
            await BothLookAsync();
            await other.LookAsync(CancellationToken.None);
            await BothLookAsync();
            // A second later the one that still finds it has seen what the other did.
            await one.GlanceAsync(CancellationToken.None);
            Assert.True(Assert.Single(await OpenAsync(_other)).Stands);
        }

        // Once, when the other began and could not know whose it was.
        Assert.Equal((2, 1), (_one.Told.Raised, _other.Told.Cleared));
    }

    private CertificateWatch Watch(AlarmServer server, AccessRegister access, int endsInDays)
    {
        var ledger = new CertificateLedger(_time);
        var end = _time.GetUtcNow().AddDays(endsInDays);
        ledger.Opened(
            new CertificateFacts("CN=backup", "2a", $"{endsInDays}", end.AddDays(-365), end),
            [new Credential(CredentialKind.CertificateSanUri, "keyservice:principal/backup")]);
        return new CertificateWatch(
            ledger, access, server.Outlet, new AlarmsConfiguration(null, AlarmServer.RepeatEvery), _time, NullLogger<CertificateWatch>.Instance);
    }

    private Task BothLookAsync() => Task.WhenAll(_one.LookAsync(), _other.LookAsync());

    private static Task<IReadOnlyList<Alarm>> OpenAsync(AlarmServer server) => server.Book.PageAsync(openOnly: true, null, 1000, CancellationToken.None);

    private static Task<CommitReceipt> AcknowledgeAsync(PostgresStore store, AlarmServer server, ulong id) => store.CommitAsync(
        new AuditRecordDraft(AuditEvent.AlarmAcknowledged),
        transaction => server.Book.AcknowledgeAsync(transaction, id, $"{id:x16}", "officer", "seen"), CancellationToken.None);
}
