using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Certificates;
using KeyService.Server.Hosting;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Alarms;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Certificates;

public sealed class CertificateWatchTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private readonly MovedTime _time = new();
    private readonly AccessRegister _access;
    private readonly CertificateLedger _ledger;
    private SqliteStore _store = null!;
    private AlarmServer _server = null!;
    private CertificateWatch _watch = null!;

    public CertificateWatchTests()
    {
        _access = new AccessRegister(_time);
        _ledger = new CertificateLedger(_time);
        _access.Apply(Backup);
    }

    private static Principal Backup => new()
    {
        Name = "backup",
        Type = PrincipalType.Service,
        Credential = new Credential(CredentialKind.CertificateSanUri, "keyservice:principal/backup"),
        Disabled = false,
        CreateTime = DateTimeOffset.UnixEpoch,
        Revision = 1,
    };

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        _server = new AlarmServer(_store, _rows, _time);
        _watch = NewWatch(tls: null);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task A_server_certificate_that_ends_soon_is_an_alarm_and_its_renewal_ends_it_without_a_restart()
    {
        Write(days: 20);
        var watch = NewWatch(Files());
        await watch.LookAsync(CancellationToken.None);
        await watch.LookAsync(CancellationToken.None);
        Assert.Equal(["server certificate CN=keys warning", "client CA CN=keys 2a warning"], Standing().Select(text => text.Replace("2A", "2a", StringComparison.Ordinal)).OrderDescending());

        _time.Advance(TimeSpan.FromDays(14));
        await watch.LookAsync(CancellationToken.None);
        Assert.All(Standing(), alarm => Assert.EndsWith(" critical", alarm, StringComparison.Ordinal));

        Write(days: 365);
        _time.Advance(TimeSpan.FromSeconds(2));
        await watch.LookAsync(CancellationToken.None);
        Assert.Empty(Standing());
    }

    [Fact]
    public async Task A_certificate_that_lives_longer_than_12_months_is_an_alarm()
    {
        Write(days: 400);
        await NewWatch(Files()).LookAsync(CancellationToken.None);
        Assert.Equal(["server certificate CN=keys warning"], Standing());
        Assert.Contains("It lives 400 days", Assert.Single(_server.View.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_alarm_of_the_server_before_is_over_when_the_next_one_starts_with_a_renewed_certificate()
    {
        Write(days: 20);
        await NewWatch(Files()).LookAsync(CancellationToken.None);
        Write(days: 365);
        _server = new AlarmServer(_store, _rows, _time);
        await NewWatch(Files()).LookAsync(CancellationToken.None);
        Assert.Empty(Standing());
    }

    [Fact]
    public async Task A_client_certificate_that_ends_soon_is_an_alarm_of_its_principal_until_a_newer_one_took_its_place()
    {
        var old = Connect("old", life: 365, left: 20);
        Connect("stranger", life: 365, left: 20, uri: "keyservice:principal/nobody");
        await LookAsync();
        Assert.Equal(["principal backup warning"], Standing());

        Connect("new", life: 365, left: 360);
        await LookAsync();
        Assert.Equal(["principal backup warning"], Standing());

        _ledger.Closed(old);
        await LookAsync();
        Assert.Empty(Standing());
    }

    [Fact]
    public async Task An_old_certificate_that_comes_back_after_the_new_one_keeps_the_alarm_until_it_was_away_for_a_day()
    {
        var old = CertificateRulesTests.Of(365, 20, "old", _time.GetUtcNow());
        _ledger.Closed(_ledger.Opened(old, Credentials()));
        _time.Advance(TimeSpan.FromMinutes(1));
        Connect("new", life: 365, left: 360);
        _time.Advance(TimeSpan.FromMinutes(1));
        _ledger.Closed(_ledger.Opened(old, Credentials()));
        await LookAsync();
        Assert.Equal(["principal backup warning"], Standing());
        _time.Advance(TimeSpan.FromHours(23));
        await LookAsync();
        Assert.Equal(["principal backup warning"], Standing());
        _time.Advance(TimeSpan.FromHours(1));
        await LookAsync();
        Assert.Empty(Standing());
    }

    [Fact]
    public async Task A_principal_that_was_disabled_has_no_alarm_and_one_that_was_not_seen_keeps_it()
    {
        Connect("old", life: 365, left: 20);
        await LookAsync();
        var next = new CertificateWatch(
            new CertificateLedger(_time), _access, _server.Outlet, Configuration, _time, NullLogger<CertificateWatch>.Instance);
        await next.LookAsync(CancellationToken.None);
        Assert.Equal(["principal backup warning"], Standing());
        _access.Apply(Backup with { Disabled = true, Revision = 2 });
        await next.LookAsync(CancellationToken.None);
        Assert.Empty(Standing());
    }

    /// <summary>Both servers have a certificate of the same name, or each its own; one is renewed and the other is not.</summary>
    [Theory]
    [InlineData("keys", "keys")]
    [InlineData("ks-1", "ks-2")]
    [InlineData("schlüssel", "schlüssel")]
    public async Task What_another_server_finds_is_not_over_because_this_one_finds_nothing(string name, string othersName)
    {
        Write(days: 20, name);
        var one = NewWatch(Files());
        await one.GlanceAsync(CancellationToken.None);
        var standing = Standing();
        Assert.Equal(2, standing.Count);

        Write(days: 365, othersName, "other");
        var (others, other) = NewServer(Files("other"));
        await others.LookAsync();
        // It does not know yet whether it was its own before a restart; who still finds it says so at the next glance.
        await other.GlanceAsync(CancellationToken.None);
        await LearnAsync(one, others);
        Assert.Equal(standing, Standing());

        var told = _server.Told.Lines.Count + others.Told.Lines.Count;
        for (var hour = 0; hour < 3; hour++)
        {
            _time.Advance(TimeSpan.FromHours(1));
            await other.GlanceAsync(CancellationToken.None);
            await LearnAsync(one, others);
        }

        Assert.Equal(told, _server.Told.Lines.Count + others.Told.Lines.Count);
        Assert.Equal(standing, Standing());
    }

    [Fact]
    public async Task Two_machines_of_one_principal_on_two_servers_one_of_them_renewed_keep_its_alarm()
    {
        Connect("old", life: 365, left: 20);
        var ledger = new CertificateLedger(_time);
        ledger.Opened(CertificateRulesTests.Of(365, 360, "new", _time.GetUtcNow()), Credentials());
        var (others, other) = NewServer(tls: null, ledger);
        await _watch.GlanceAsync(CancellationToken.None);
        await others.LookAsync();
        for (var hour = 0; hour < 3; hour++)
        {
            await other.GlanceAsync(CancellationToken.None);
            await LearnAsync(_watch, others);
            Assert.Equal(["principal backup warning"], Standing());
            _time.Advance(TimeSpan.FromHours(1));
        }

        Assert.Equal(1, others.Told.Cleared);
    }

    [Fact]
    public async Task An_alarm_of_a_server_that_is_gone_is_over_when_its_principal_shows_another_a_renewed_certificate()
    {
        Connect("old", life: 365, left: 20);
        await LookAsync();
        var ledger = new CertificateLedger(_time);
        var (others, other) = NewServer(tls: null, ledger);
        await others.LookAsync();
        await other.GlanceAsync(CancellationToken.None);
        Assert.Equal(["principal backup warning"], Standing());
        ledger.Opened(CertificateRulesTests.Of(365, 360, "new", _time.GetUtcNow()), Credentials());
        await other.GlanceAsync(CancellationToken.None);
        await _server.LookAsync();
        Assert.Empty(Standing());
    }

    [Fact]
    public void The_ledger_knows_who_is_connected_and_forgets_what_ended()
    {
        var seen = Connect("one", life: 30, left: 20);
        Connect("one", life: 30, left: 20);
        Assert.Equal((2, _time.GetUtcNow()), (Assert.Single(_ledger.All()).Connections, _ledger.All()[0].LastSeen));
        var last = _time.GetUtcNow();
        _ledger.Closed(seen);
        _ledger.Closed(seen);
        _time.Advance(TimeSpan.FromDays(19));
        _ledger.Forget(_time.GetUtcNow());
        Assert.Equal((0, last), (Assert.Single(_ledger.All()).Connections, _ledger.All()[0].LastSeen));
        _time.Advance(TimeSpan.FromDays(2));
        _ledger.Forget(_time.GetUtcNow());
        Assert.Empty(_ledger.All());
    }

    [Fact]
    public void The_ledger_is_bounded_and_lets_go_of_what_was_seen_longest_ago()
    {
        for (var i = 0; i <= 10_000; i++)
        {
            _ledger.Closed(_ledger.Opened(CertificateRulesTests.Of(1, 1, $"c{i}", _time.GetUtcNow()), []));
            _time.Advance(TimeSpan.FromMilliseconds(1));
        }

        var all = _ledger.All();
        Assert.Equal(10_000, all.Count);
        Assert.DoesNotContain(all, each => each.Facts.Subject == "CN=c0");
    }

    private static AlarmsConfiguration Configuration => new(null, AlarmServer.RepeatEvery);

    private static Credential[] Credentials(string uri = "keyservice:principal/backup") => [new(CredentialKind.CertificateSanUri, uri)];

    private SeenCertificate Connect(string name, double life, double left, string uri = "keyservice:principal/backup") =>
        _ledger.Opened(CertificateRulesTests.Of(life, left, name, _time.GetUtcNow()), Credentials(uri));

    private Task LookAsync() => _watch.LookAsync(CancellationToken.None);

    private IReadOnlyList<string> Standing() => [.. _server.View.Open().Where(alarm => alarm.Stands)
        .Select(alarm => $"{alarm.Subject} {alarm.Severity.ToString().ToLowerInvariant()}")];

    // What each has to learn of the other, and the first of them looks.
    private async Task LearnAsync(CertificateWatch first, AlarmServer others)
    {
        await _server.LookAsync();
        await first.GlanceAsync(CancellationToken.None);
        await others.LookAsync();
    }

    /// <summary>Another server on the same store.</summary>
    private (AlarmServer Alarms, CertificateWatch Watch) NewServer(TlsFiles? tls, CertificateLedger? ledger = null)
    {
        var alarms = new AlarmServer(_store, _rows, _time);
        return (alarms, new CertificateWatch(
            ledger ?? new CertificateLedger(_time), _access, alarms.Outlet, Configuration, _time, NullLogger<CertificateWatch>.Instance, tls));
    }

    private CertificateWatch NewWatch(TlsFiles? tls) =>
        new(_ledger, _access, _server.Outlet, Configuration, _time, NullLogger<CertificateWatch>.Instance, tls);

    private TlsFiles Files(string name = "server")
    {
        var certificate = Path.Combine(_file.Folder, $"{name}.crt");
        return new TlsFiles(
            new TlsConfiguration(certificate, Path.Combine(_file.Folder, $"{name}.key"), certificate), ServerProfile.Development, _time,
            new ListenerLog(NullLogger<ListenerLog>.Instance));
    }

    // Server certificate and authority in one: self-signed, by serial number 2A.
    private void Write(int days, string subject = "keys", string name = "server")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={subject}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = request.Create(
            request.SubjectName, X509SignatureGenerator.CreateForECDsa(key), _time.GetUtcNow(), _time.GetUtcNow().AddDays(days), [0x2A]);
        // The number of line ends makes each file another length: the change is seen even where two writes share one tick of the clock.
        File.WriteAllText(Path.Combine(_file.Folder, $"{name}.crt"), certificate.ExportCertificatePem() + new string('\n', days));
        File.WriteAllText(Path.Combine(_file.Folder, $"{name}.key"), key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>A clock, its timestamps too, that stands until a test moves it.</summary>
    private sealed class MovedTime : TimeProvider
    {
        private DateTimeOffset _now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now.Ticks;

        public void Advance(TimeSpan by) => _now += by;
    }
}
