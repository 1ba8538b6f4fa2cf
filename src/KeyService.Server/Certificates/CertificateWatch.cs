using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Hosting;

namespace KeyService.Server.Certificates;

/// <summary>
/// Judges every certificate that this server knows: at the start, when files were reloaded, when a client shows a new one, when principals change, and each hour.
/// A finding is an alarm; a renewal ends it, without a restart. Other servers know other certificates, also of the same name or principal: an alarm is over when
/// who raised it finds it so, or who learns something of its subject that it did not know before; never because somebody goes on finding nothing.
/// </summary>
internal sealed partial class CertificateWatch(
    CertificateLedger ledger, AccessRegister access, AlarmOutlet alarms, AlarmsConfiguration configuration, TimeProvider time,
    ILogger<CertificateWatch> logger, TlsFiles? tls = null) : BackgroundService
{
    private const string ServerPrefix = "server certificate ";
    private const string ClientCaPrefix = "client CA ";
    private const string WebhookCaPrefix = "webhook CA ";
    private const string PrincipalPrefix = "principal ";

    private static readonly TimeSpan Glance = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Every = TimeSpan.FromHours(1);

    private (TlsMaterial? Material, long Ledger, AccessSnapshot? Access) _lookedAt;
    private long _lookedAtTime;
    private HashSet<string> _found = [];

    /// <summary>Of each subject which certificates were judged at the look before; null before the first.</summary>
    private Dictionary<string, string>? _judged;

    /// <summary>Certificates of this server's own files.</summary>
    public IReadOnlyList<OwnCertificate> Own()
    {
        var own = new List<OwnCertificate>();
        if (tls?.Current is { } material)
        {
            own.Add(new OwnCertificate(CertificateUse.Server, CertificateFacts.Of(material.Certificate)));
            own.AddRange(material.ClientCas.Select(ca => new OwnCertificate(CertificateUse.ClientCa, CertificateFacts.Of(ca))));
        }

        own.AddRange(WebhookCas().Select(ca => new OwnCertificate(CertificateUse.WebhookCa, ca)));
        return own;
    }

    /// <summary>Judges all of them now.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var lookedAt = State();
        if (await alarms.StandingAsync(AlarmKind.CertificateExpiring, cancellationToken) is not { } before)
        {
            // What stands is not known yet; the next glance tries again.
            return;
        }

        (_lookedAt, _lookedAtTime) = (lookedAt, time.GetTimestamp());
        var found = new HashSet<string>(StringComparer.Ordinal);
        var judged = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (use, facts) in Own())
        {
            var subject = SubjectOf(use, facts);
            judged[subject] = facts.Fingerprint;
            await JudgeAsync(subject, facts, use != CertificateUse.Server, now, found, cancellationToken);
        }

        ledger.Forget(now);
        var principals = ledger.All().Select(seen => (Name: access.Find(seen.Credentials)?.Name, Seen: seen))
            .Where(pair => pair.Name is not null).GroupBy(pair => pair.Name!, pair => pair.Seen, StringComparer.Ordinal).ToList();
        foreach (var principal in principals)
        {
            judged[PrincipalPrefix + principal.Key] = string.Join(' ', principal.Select(seen => seen.Facts.Fingerprint).Order(StringComparer.Ordinal));
            await JudgeAsync(principal.Key, [.. principal], now, found, cancellationToken);
        }

        var (foundBefore, judgedBefore) = (_found, _judged);
        (_found, _judged) = (found, judged);
        foreach (var subject in before.Where(subject => !found.Contains(subject)))
        {
            if (IsNobody(subject) || ((IsOwn(subject) || judged.ContainsKey(subject)) && (foundBefore.Contains(subject) || IsNews(subject, judgedBefore, judged))))
            {
                await alarms.ClearAsync(AlarmKind.CertificateExpiring, subject, cancellationToken);
            }
        }
    }

    /// <summary>Judges all of them when there is reason to; what is done each second.</summary>
    public async Task GlanceAsync(CancellationToken cancellationToken)
    {
        if (_lookedAt != State() || time.GetElapsedTime(_lookedAtTime) >= Every || await IsAnyGoneAsync(cancellationToken))
        {
            await LookAsync(cancellationToken);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await GlanceOnceAsync(stoppingToken);
                await Task.Delay(Glance, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    // What a finding depends on, beside the time.
    private (TlsMaterial? Material, long Ledger, AccessSnapshot? Access) State() => (tls?.Current, ledger.Version, access.Current);

    // Another server took an alarm of this one's finding for over.
    private async Task<bool> IsAnyGoneAsync(CancellationToken cancellationToken) => _found.Count > 0
        && await alarms.StandingAsync(AlarmKind.CertificateExpiring, cancellationToken) is { } standing && !_found.IsSubsetOf(standing);

    private async Task GlanceOnceAsync(CancellationToken stoppingToken)
    {
        try
        {
            await GlanceAsync(stoppingToken);
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            // A look that fails must not stop the server.
            LookFailed(logger, exception);
        }
    }

    private async Task JudgeAsync(
        string subject, CertificateFacts facts, bool isAuthority, DateTimeOffset now, HashSet<string> found, CancellationToken cancellationToken)
    {
        if (CertificateRules.Finding(facts, isAuthority, now) is { } finding)
        {
            found.Add(subject);
            await alarms.RaiseAsync(AlarmKind.CertificateExpiring, subject, $"{finding.Message} Serial number {facts.SerialNumber}.", finding.Severity, cancellationToken);
        }
    }

    // One alarm for a principal, of its certificate that ends first among those in use.
    private async Task JudgeAsync(
        string principal, ClientCertificateState[] seen, DateTimeOffset now, HashSet<string> found, CancellationToken cancellationToken)
    {
        var first = seen.Where(each => each.IsInUse(seen, now) && CertificateRules.Finding(each.Facts, isAuthority: false, now) is not null)
            .MinBy(each => each.Facts.NotAfter);
        if (first is not null)
        {
            await JudgeAsync(PrincipalPrefix + principal, first.Facts, isAuthority: false, now, found, cancellationToken);
        }
    }

    // At the first look everything is: what was found before the start is not known any more.
    private static bool IsNews(string subject, Dictionary<string, string>? before, Dictionary<string, string> now) =>
        before is null || before.GetValueOrDefault(subject) != now.GetValueOrDefault(subject);

    private bool IsOwn(string subject) => (tls is not null && (StartsWith(subject, ServerPrefix) || StartsWith(subject, ClientCaPrefix)))
        || StartsWith(subject, WebhookCaPrefix);

    private bool IsNobody(string subject) => StartsWith(subject, PrincipalPrefix)
        && access.Current.Principals.GetValueOrDefault(subject[PrincipalPrefix.Length..]) is not { Disabled: false };

    private static bool StartsWith(string subject, string prefix) => subject.StartsWith(prefix, StringComparison.Ordinal);

    // The server's by its name: a renewed one is the same certificate to an operator. Of CAs two of one name stand in a file during a change.
    private static string SubjectOf(CertificateUse use, CertificateFacts facts) => AlarmOutlet.SubjectOf(use switch
    {
        CertificateUse.Server => ServerPrefix + facts.Subject,
        CertificateUse.ClientCa => $"{ClientCaPrefix}{facts.Subject} {facts.SerialNumber}",
        _ => $"{WebhookCaPrefix}{facts.Subject} {facts.SerialNumber}",
    });

    private List<CertificateFacts> WebhookCas()
    {
        if (configuration.Webhook?.CaPath is not { } path)
        {
            return [];
        }

        try
        {
            var cas = new X509Certificate2Collection();
            cas.ImportFromPemFile(path);
            return [.. cas.Select(CertificateFacts.Of)];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException)
        {
            // A delivery says it when there is one; doctor says it now.
            return [];
        }
    }

    [LoggerMessage(4300, LogLevel.Error, "Certificates could not be judged")]
    private static partial void LookFailed(ILogger logger, Exception exception);
}

/// <summary>What a certificate of the server's own files is for; the numbers are those of CertificateRole in system.proto.</summary>
internal enum CertificateUse
{
    Server = 1,
    ClientCa = 2,

    /// <summary>3 is a client's, in system.proto.</summary>
    WebhookCa = 4,
}

/// <summary>A certificate of the server's own files.</summary>
internal sealed record OwnCertificate(CertificateUse Use, CertificateFacts Facts);
