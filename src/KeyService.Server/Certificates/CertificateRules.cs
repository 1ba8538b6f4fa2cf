using System.Globalization;
using KeyService.Server.Alarms;

namespace KeyService.Server.Certificates;

/// <summary>R19: a certificate lives at most 12 months, and somebody is told 30 days before it ends.</summary>
internal static class CertificateRules
{
    /// <summary>365 days, and one more because authorities count both ends, or a leap day.</summary>
    public static readonly TimeSpan LongestLife = TimeSpan.FromDays(366);

    public static readonly TimeSpan WarnBefore = TimeSpan.FromDays(30);

    public static readonly TimeSpan CriticalBefore = TimeSpan.FromDays(7);

    /// <summary>
    /// Certificates that live no longer than this are renewed by machines: 30 days before the end they do not exist yet. The last third of
    /// their life is warned of, the last sixth is critical.
    /// </summary>
    public static readonly TimeSpan ShortLife = TimeSpan.FromDays(14);

    /// <summary>Whether it lives longer than 12 months.</summary>
    public static bool LivesTooLong(CertificateFacts certificate) => certificate.Life > LongestLife;

    /// <summary>Whether it ends so soon that somebody has to be told, or has ended.</summary>
    public static bool EndsSoon(CertificateFacts certificate, DateTimeOffset now) =>
        certificate.NotAfter - now < (certificate.Life <= ShortLife ? certificate.Life / 3 : WarnBefore);

    /// <summary>What is wrong with it now, or null.</summary>
    /// <param name="isAuthority">CAs may live longer than 12 months; their end is told like any other.</param>
    public static (AlarmSeverity Severity, string Message)? Finding(CertificateFacts certificate, bool isAuthority, DateTimeOffset now)
    {
        var tooLong = !isAuthority && LivesTooLong(certificate)
            ? string.Create(CultureInfo.InvariantCulture, $"It lives {certificate.Life.TotalDays:0} days; at most 12 months (366 days) are right.") : null;
        if (!EndsSoon(certificate, now))
        {
            return tooLong is null ? null : (AlarmSeverity.Warning, tooLong);
        }

        var left = certificate.NotAfter - now;
        var critical = left < (certificate.Life <= ShortLife ? certificate.Life / 6 : CriticalBefore);
        var end = string.Create(CultureInfo.InvariantCulture, $"It {(left <= TimeSpan.Zero ? "ended" : "ends")} {certificate.NotAfter:u}.");
        return (critical ? AlarmSeverity.Critical : AlarmSeverity.Warning, tooLong is null ? end : $"{end} {tooLong}");
    }
}
