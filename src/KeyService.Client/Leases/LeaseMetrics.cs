using System.Diagnostics.Metrics;

namespace KeyService.Client;

/// <summary>The meter <c>KeyService.Client</c>; what each instrument counts stands in docs/sdk.md.</summary>
internal static class LeaseMetrics
{
    public const string MeterName = "KeyService.Client";

    private static readonly Meter Meter = new(MeterName);
    private static long backlog;

    public static readonly Counter<long> LeasesMade = Meter.CreateCounter<long>(
        "keyservice.client.leases.made", "{lease}", "Data keys that came into this process");

    public static readonly Counter<long> LeasesEnded = Meter.CreateCounter<long>(
        "keyservice.client.leases.ended", "{lease}", "Data keys that were zeroed");

    public static readonly Counter<long> Revocations = Meter.CreateCounter<long>(
        "keyservice.client.leases.revoked", "{lease}", "Data keys that were zeroed because the service withdrew them");

    public static readonly Counter<long> CacheMisses = Meter.CreateCounter<long>(
        "keyservice.client.keys.misses", "{key}", "Decryptions that had to wait for a data key");

    public static readonly Counter<long> CacheHits = Meter.CreateCounter<long>(
        "keyservice.client.keys.hits", "{message}", "Fields encrypted and decrypted with a data key at hand, counted when they are reported");

    public static readonly Counter<long> GraceMessages = Meter.CreateCounter<long>(
        "keyservice.client.grace.messages", "{message}", "Fields encrypted or decrypted after a lease had ended, the service being away");

    public static readonly Counter<double> GraceSeconds = Meter.CreateCounter<double>(
        "keyservice.client.grace.duration", "s", "Time for which leases went on in grace, counted when each ends");

    public static readonly Counter<long> ReportsDropped = Meter.CreateCounter<long>(
        "keyservice.client.reports.dropped", "{report}", "Use counts given up because too many waited, or at the end");

    public static readonly Counter<long> CertificatesReloaded = Meter.CreateCounter<long>(
        "keyservice.client.certificates.reloaded", "{reload}", "Certificates taken over from their files without a restart");

    public static readonly Counter<long> CertificatesRefused = Meter.CreateCounter<long>(
        "keyservice.client.certificates.refused", "{reload}", "Looks at changed certificate files that could not be used");

    static LeaseMetrics() => Meter.CreateObservableUpDownCounter(
        "keyservice.client.reports.backlog", () => Volatile.Read(ref backlog), "{report}", "Use counts that the service has not taken yet");

    public static void BacklogChanged(long by) => Interlocked.Add(ref backlog, by);
}
